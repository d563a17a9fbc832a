//! A page of the index: a sorted array with gaps, where a slot's place follows from its hash.
//!
//! This is linear probing that keeps its order (Robin Hood): home places grow with the hash, displaced slots sit to the
//! right of home, and a search ends at the first larger hash. There is no wrap-around: the last sixteenth of the array
//! takes what overflows, and when it is full too the page grows or splits.

/// Slots of a full page: 4 KiB.
const SLOTS_MAX: usize = 512;
/// Pages grow in these steps, which are also the size classes of common allocators.
const SLOTS_STEP: usize = 64;
const SLOTS_MIN: usize = 8;

/// One entry of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) hash: u32,
    pub(crate) location: u32,
}

/// No record lies at the very last granule of the last segment, so its location marks a gap.
const GAP: Slot = Slot { hash: 0, location: u32::MAX };

impl Slot {
    #[inline]
    fn is_gap(self) -> bool {
        self.location == u32::MAX
    }
}

#[derive(Debug)]
pub(crate) struct Page {
    slots: Box<[Slot]>,
    used: u32,
    /// Leading hash bits that all slots of this page share.
    depth: u8,
}

impl Page {
    pub(crate) fn empty(depth: u8) -> Self {
        Self { slots: vec![GAP; SLOTS_MIN].into_boxed_slice(), used: 0, depth }
    }

    /// What stands in the place of a page that was merged away.
    pub(crate) fn vacant() -> Self {
        Self { slots: Box::default(), used: 0, depth: 0 }
    }

    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
    }

    /// The place where a slot with this hash would like to be.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        let homes = (self.slots.len() - self.slots.len() / 16) as u64;
        let within = hash << self.depth;
        ((u64::from(within) * homes) >> 32) as usize
    }

    /// The first slot with this hash for which `is_it` says yes: its place and location.
    #[inline]
    pub(crate) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<(usize, u32)> {
        for place in self.home(hash)..self.slots.len() {
            let slot = self.slots[place];
            if slot.is_gap() || slot.hash > hash {
                return None;
            }
            if slot.hash == hash && is_it(slot.location) {
                return Some((place, slot.location));
            }
        }
        None
    }

    pub(crate) fn replace(&mut self, hash: u32, from: u32, to: u32) -> bool {
        match self.find(hash, |location| location == from) {
            Some((place, _)) => {
                self.slots[place].location = to;
                true
            }
            None => false,
        }
    }

    /// Places a slot, growing if need be; false if the page is full and has to split first.
    pub(crate) fn insert(&mut self, slot: Slot, may_split: bool) -> bool {
        while self.used as usize >= self.slots.len() * 7 / 8 || !self.place(slot) {
            if self.slots.len() >= SLOTS_MAX && may_split {
                return false;
            }
            self.resize(next_size(self.slots.len()));
        }
        self.used += 1;
        true
    }

    /// Shifts what is larger to the right and places the slot; false if there is no gap to the right.
    fn place(&mut self, slot: Slot) -> bool {
        let mut place = self.home(slot.hash);
        while place < self.slots.len() && !self.slots[place].is_gap() && self.slots[place].hash <= slot.hash {
            place += 1;
        }
        let Some(gap) = self.slots[place.min(self.slots.len())..].iter().position(|s| s.is_gap()) else {
            return false;
        };
        self.slots.copy_within(place..place + gap, place + 1);
        self.slots[place] = slot;
        true
    }

    pub(crate) fn remove(&mut self, hash: u32, location: u32) -> bool {
        let Some((place, _)) = self.find(hash, |l| l == location) else { return false };
        let mut end = place + 1;
        while end < self.slots.len() && !self.slots[end].is_gap() && self.home(self.slots[end].hash) < end {
            end += 1;
        }
        self.slots.copy_within(place + 1..end, place);
        self.slots[end - 1] = GAP;
        self.used -= 1;
        if self.used as usize * 3 < self.slots.len() && self.slots.len() > SLOTS_MIN {
            self.resize(fitting_size(self.used as usize * 2));
        }
        true
    }

    fn resize(&mut self, slots: usize) {
        let resized = Self::packed(&self.occupied().copied(), slots, self.depth, self.used);
        *self = resized;
    }

    /// A page of at least `slots` places holding what `sorted` yields.
    fn packed(sorted: &(impl Iterator<Item = Slot> + Clone), slots: usize, depth: u8, used: u32) -> Self {
        let mut size = slots.max(fitting_size(used as usize));
        loop {
            let mut page = Self { slots: vec![GAP; size].into_boxed_slice(), used, depth };
            let mut next = 0;
            let fits = sorted.clone().all(|slot| {
                let place = page.home(slot.hash).max(next);
                next = place + 1;
                page.slots.get_mut(place).map(|free| *free = slot).is_some()
            });
            if fits {
                return page;
            }
            size = next_size(size);
        }
    }

    fn occupied(&self) -> impl Iterator<Item = &Slot> + Clone {
        self.slots.iter().filter(|slot| !slot.is_gap())
    }

    /// The slots with at least this hash, in order.
    pub(crate) fn from(&self, hash: u32) -> impl Iterator<Item = Slot> {
        self.occupied().copied().skip_while(move |slot| slot.hash < hash)
    }

    /// The first hash past this page's range, given one inside it; `None` for the last page.
    pub(crate) fn range_end(&self, hash: u32) -> Option<u32> {
        if self.depth == 0 {
            return None;
        }
        let shift = 32 - u32::from(self.depth);
        ((hash >> shift) + 1).checked_shl(shift).filter(|&end| end != 0)
    }

    /// Two pages that share one more leading bit each.
    pub(crate) fn split(&self) -> (Self, Self) {
        let bit = 1u32 << (31 - u32::from(self.depth));
        let depth = self.depth + 1;
        let highs = self.occupied().filter(|slot| slot.hash & bit != 0).count() as u32;
        let lows = self.used - highs;
        (
            Self::packed(&self.occupied().copied().take(lows as usize), SLOTS_MIN, depth, lows),
            Self::packed(&self.occupied().copied().skip(lows as usize), SLOTS_MIN, depth, highs),
        )
    }

    pub(crate) fn is_sparse(&self) -> bool {
        (self.used as usize) < SLOTS_MAX / 8
    }

    pub(crate) fn may_join(&self, buddy: &Self) -> bool {
        self.depth == buddy.depth && ((self.used + buddy.used) as usize) < SLOTS_MAX / 4
    }

    pub(crate) fn join(low: &Self, high: &Self) -> Self {
        let sorted = low.occupied().chain(high.occupied()).copied();
        Self::packed(&sorted, SLOTS_MIN, low.depth - 1, low.used + high.used)
    }
}

fn next_size(slots: usize) -> usize {
    if slots < SLOTS_STEP * 2 { (slots * 2).max(SLOTS_MIN) } else { slots + SLOTS_STEP }
}

/// The smallest page size that holds `used` slots below the load limit.
fn fitting_size(used: usize) -> usize {
    let mut size = SLOTS_MIN;
    while used >= size * 7 / 8 {
        size = next_size(size);
    }
    size
}
