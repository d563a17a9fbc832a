//! The index: from a key's 32 hash bits to where its record lies, ordered by hash, growing a page at a time.
//!
//! The hash space is cut into ranges; a directory over the leading bits says which page holds a range (extendible
//! hashing), and a page is a small sorted array ([`page`]). A page that overflows splits in two, so the longest pause of a
//! growing index is one page's copy and, rarely, one of the directory (four bytes a page). Keys never move in hash order,
//! so a cursor is simply "every hash below this was shown": a scan misses nothing that was there throughout, whatever
//! splits meanwhile. Ordered pages also end an unsuccessful search early, which is what allows a load of 7/8.

mod page;

use page::Page;
pub(crate) use page::Slot;

/// Leading hash bits that the directory may use; what is left orders the slots within a page.
const DEPTH_MAX: u8 = 22;

/// An ordered hash table of eight-byte slots.
#[derive(Debug)]
pub(crate) struct Index {
    /// Page number for each value of the leading `depth` bits.
    directory: Vec<u32>,
    depth: u8,
    pages: Vec<Page>,
    vacant_pages: Vec<u32>,
    len: usize,
    page_bytes: usize,
}

impl Index {
    pub(crate) fn new() -> Self {
        let first = Page::empty(0);
        let page_bytes = first.bytes();
        Self {
            directory: vec![0],
            depth: 0,
            pages: vec![first],
            vacant_pages: Vec::new(),
            len: 0,
            page_bytes,
        }
    }

    /// Entries held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Heap bytes held, slots and directory.
    pub(crate) fn bytes(&self) -> usize {
        self.page_bytes
            + self.directory.capacity() * size_of::<u32>()
            + self.pages.capacity() * size_of::<Page>()
            + self.vacant_pages.capacity() * size_of::<u32>()
    }

    #[inline]
    fn page_number(&self, hash: u32) -> usize {
        let prefix = if self.depth == 0 { 0 } else { hash >> (32 - u32::from(self.depth)) };
        self.directory[prefix as usize] as usize
    }

    /// The location of the first slot with this hash for which `is_it` says yes.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.pages[self.page_number(hash)].find(hash, is_it).map(|(_, location)| location)
    }

    /// Adds a slot. The caller has made sure that the key has none yet.
    pub(crate) fn insert(&mut self, hash: u32, location: u32) {
        loop {
            let number = self.page_number(hash);
            let page = &mut self.pages[number];
            let before = page.bytes();
            let may_split = page.depth() < DEPTH_MAX;
            let placed = page.insert(Slot { hash, location }, may_split);
            self.page_bytes = self.page_bytes + page.bytes() - before;
            if placed {
                self.len += 1;
                return;
            }
            self.split(number, hash);
        }
    }

    /// Points the slot that now says `from` to `to`; false if there is none.
    pub(crate) fn relocate(&mut self, hash: u32, from: u32, to: u32) -> bool {
        let number = self.page_number(hash);
        self.pages[number].replace(hash, from, to)
    }

    /// Removes the slot with this hash and location; false if there is none.
    pub(crate) fn remove(&mut self, hash: u32, location: u32) -> bool {
        let number = self.page_number(hash);
        let page = &mut self.pages[number];
        let before = page.bytes();
        if !page.remove(hash, location) {
            return false;
        }
        self.page_bytes = self.page_bytes + page.bytes() - before;
        self.len -= 1;
        if page.is_sparse() {
            self.merge(number, hash);
        }
        true
    }

    /// Shows slots in hash order from `from` on until `wanted` were shown and the next has another hash.
    ///
    /// Returns the hash to go on from, or `None` at the end. Slots that share a hash are always shown together.
    pub(crate) fn walk(&self, from: u32, wanted: usize, mut show: impl FnMut(Slot)) -> Option<u32> {
        let mut from = from;
        let mut shown = 0;
        let mut last = None;
        loop {
            let page = &self.pages[self.page_number(from)];
            for slot in page.from(from) {
                if shown >= wanted && last != Some(slot.hash) {
                    return Some(slot.hash);
                }
                show(slot);
                shown += 1;
                last = Some(slot.hash);
            }
            from = page.range_end(from)?;
            if shown >= wanted {
                return Some(from);
            }
        }
    }

    fn split(&mut self, number: usize, hash: u32) {
        if self.pages[number].depth() == self.depth {
            self.directory = self.directory.iter().flat_map(|&page| [page, page]).collect();
            self.depth += 1;
        }
        let before = self.pages[number].bytes();
        let (low, high) = self.pages[number].split();
        self.page_bytes = self.page_bytes + low.bytes() + high.bytes() - before;
        let depth = low.depth();
        self.pages[number] = low;
        let high_number = match self.vacant_pages.pop() {
            Some(vacant) => {
                self.pages[vacant as usize] = high;
                vacant
            }
            None => {
                self.pages.push(high);
                (self.pages.len() - 1) as u32
            }
        };
        let (first, count) = self.directory_span(hash, depth - 1);
        self.directory[first + count / 2..first + count].fill(high_number);
    }

    /// Directory entries that share the leading `depth` bits of `hash`.
    fn directory_span(&self, hash: u32, depth: u8) -> (usize, usize) {
        let count = 1usize << (self.depth - depth);
        let prefix = if depth == 0 { 0 } else { (hash >> (32 - u32::from(depth))) as usize };
        (prefix * count, count)
    }

    /// Joins a sparse page with its buddy, if both fit in half a page.
    fn merge(&mut self, number: usize, hash: u32) {
        let depth = self.pages[number].depth();
        if depth == 0 {
            return;
        }
        let buddy_number = self.page_number(hash ^ (1 << (32 - u32::from(depth))));
        if buddy_number == number || !self.pages[number].may_join(&self.pages[buddy_number]) {
            return;
        }
        let in_high_half = hash & (1 << (32 - u32::from(depth))) != 0;
        let (low, high) = if in_high_half { (buddy_number, number) } else { (number, buddy_number) };
        let before = self.pages[low].bytes() + self.pages[high].bytes();
        let joined = Page::join(&self.pages[low], &self.pages[high]);
        self.page_bytes = self.page_bytes + joined.bytes() - before;
        self.pages[low] = joined;
        self.pages[high] = Page::vacant();
        self.vacant_pages.push(high as u32);
        let (first, count) = self.directory_span(hash, depth - 1);
        self.directory[first..first + count].fill(low as u32);
        self.shrink_directory(depth);
    }

    fn shrink_directory(&mut self, merged_depth: u8) {
        if merged_depth < self.depth || self.directory.len() < 2 {
            return;
        }
        if self.directory.chunks_exact(2).all(|pair| pair[0] == pair[1]) {
            self.directory = self.directory.chunks_exact(2).map(|pair| pair[0]).collect();
            self.depth -= 1;
        }
    }

    /// Frees up to `pages` pages of an index that nobody looks into any more; true when nothing is left.
    pub(crate) fn dismantle(&mut self, pages: usize) -> bool {
        let keep = self.pages.len().saturating_sub(pages);
        for page in self.pages.drain(keep..) {
            self.page_bytes = self.page_bytes.saturating_sub(page.bytes());
        }
        self.pages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn mix(n: u32) -> u32 {
        n.wrapping_mul(0x9E37_79B9).rotate_left(13).wrapping_mul(0x85EB_CA6B)
    }

    #[test]
    fn grows_and_shrinks_to_nothing() {
        let mut index = Index::new();
        for n in 0..200_000u32 {
            index.insert(mix(n), n);
        }
        assert_eq!(index.len(), 200_000);
        let per_entry = index.bytes() as f64 / 200_000.0;
        assert!(per_entry < 13.0, "{per_entry} bytes an entry");
        for n in 0..200_000u32 {
            assert_eq!(index.find(mix(n), |l| l == n), Some(n));
            assert!(index.remove(mix(n), n));
        }
        assert_eq!(index.len(), 0);
        assert_eq!(index.depth, 0, "the directory shrinks with its pages");
    }

    #[test]
    fn a_cursor_survives_splits_and_merges() {
        let mut index = Index::new();
        for n in 0..5_000u32 {
            index.insert(mix(n), n);
        }
        let mut seen = vec![0u32; 5_000];
        let mut cursor = Some(0);
        let mut extra = 5_000;
        while let Some(from) = cursor {
            cursor = index.walk(from, 10, |slot| {
                if slot.location < 5_000 {
                    seen[slot.location as usize] += 1;
                }
            });
            for _ in 0..40 {
                index.insert(mix(extra), extra);
                extra += 1;
            }
        }
        assert!(seen.iter().all(|&times| times == 1));
    }

    #[test]
    fn many_equal_hashes_stay_together() {
        let mut index = Index::new();
        for location in 0..2_000 {
            index.insert(7, location);
        }
        let mut shown = 0;
        index.walk(0, 10, |_| shown += 1);
        assert_eq!(shown, 2_000);
        for location in 0..2_000 {
            assert!(index.remove(7, location));
        }
        assert_eq!(index.len(), 0);
    }

    proptest! {
        #[test]
        fn behaves_like_an_ordered_map(steps in prop::collection::vec((any::<bool>(), 0u32..600), 1..3000)) {
            let mut index = Index::new();
            let mut model = BTreeMap::new();
            for (insert, n) in steps {
                let hash = mix(n);
                if insert {
                    if model.insert((hash, n), ()).is_none() {
                        index.insert(hash, n);
                    }
                } else {
                    prop_assert_eq!(index.remove(hash, n), model.remove(&(hash, n)).is_some());
                }
            }
            let mut shown = Vec::new();
            prop_assert_eq!(index.walk(0, usize::MAX, |slot| shown.push((slot.hash, slot.location))), None);
            shown.sort_unstable();
            prop_assert_eq!(shown, model.into_keys().collect::<Vec<_>>());
        }
    }
}
