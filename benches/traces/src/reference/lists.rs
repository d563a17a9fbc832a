//! Doubly linked lists over numbered entries; an entry is in one list at most.

const NONE: u32 = u32::MAX;
/// The list of what is in no list.
pub(super) const NOWHERE: u8 = 0;

pub(super) struct Lists {
    /// Towards the tail, where entries enter.
    next: Vec<u32>,
    /// Towards the head, where the oldest stands.
    previous: Vec<u32>,
    list: Vec<u8>,
    size: Vec<u64>,
    ends: Vec<Ends>,
}

#[derive(Clone, Copy)]
struct Ends {
    head: u32,
    tail: u32,
    bytes: u64,
}

impl Lists {
    /// Lists numbered from one to `lists`.
    pub(super) fn new(entries: usize, lists: u8) -> Self {
        let empty = Ends { head: NONE, tail: NONE, bytes: 0 };
        Self {
            next: vec![NONE; entries],
            previous: vec![NONE; entries],
            list: vec![NOWHERE; entries],
            size: vec![0; entries],
            ends: vec![empty; usize::from(lists) + 1],
        }
    }

    pub(super) fn list_of(&self, entry: u32) -> u8 {
        self.list[entry as usize]
    }

    pub(super) fn size_of(&self, entry: u32) -> u64 {
        self.size[entry as usize]
    }

    pub(super) fn bytes(&self, list: u8) -> u64 {
        self.ends[usize::from(list)].bytes
    }

    pub(super) fn head(&self, list: u8) -> Option<u32> {
        Some(self.ends[usize::from(list)].head).filter(|&entry| entry != NONE)
    }

    /// The entry that came right after.
    pub(super) fn after(&self, entry: u32) -> Option<u32> {
        Some(self.next[entry as usize]).filter(|&entry| entry != NONE)
    }

    /// Puts an entry that is in no list at a tail.
    pub(super) fn push(&mut self, list: u8, entry: u32, size: u64) {
        let ends = &mut self.ends[usize::from(list)];
        let tail = std::mem::replace(&mut ends.tail, entry);
        ends.bytes += size;
        if tail == NONE {
            ends.head = entry;
        } else {
            self.next[tail as usize] = entry;
        }
        let at = entry as usize;
        (self.previous[at], self.next[at], self.list[at], self.size[at]) = (tail, NONE, list, size);
    }

    pub(super) fn remove(&mut self, entry: u32) {
        let at = entry as usize;
        let (previous, next) = (self.previous[at], self.next[at]);
        let ends = &mut self.ends[usize::from(self.list[at])];
        ends.bytes -= self.size[at];
        if previous == NONE {
            ends.head = next;
        } else {
            self.next[previous as usize] = next;
        }
        if next == NONE {
            ends.tail = previous;
        } else {
            self.previous[next as usize] = previous;
        }
        self.list[at] = NOWHERE;
    }

    /// Puts an entry at the tail of a list, wherever it was.
    pub(super) fn move_to(&mut self, list: u8, entry: u32) {
        let size = self.size_of(entry);
        self.remove(entry);
        self.push(list, entry, size);
    }

    /// Takes the oldest entry out.
    pub(super) fn pop(&mut self, list: u8) -> Option<u32> {
        let entry = self.head(list)?;
        self.remove(entry);
        Some(entry)
    }
}
