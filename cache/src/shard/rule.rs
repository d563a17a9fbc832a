//! The rules of eviction: what each would do with a record that a hand has reached.
//!
//! All three run over the same two queues, so that changing from one to another moves nothing.

/// The part of a thousand bytes above which the rule of frequency lets newcomers into the main queue freely. Between this and
/// its share each must win its place: were both the same, every entry of unusual size would let another in or out unjudged.
const FREQUENCY_SHARE_MAX: usize = 15;

/// How long newcomers stay, and what it takes to stay longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Much room for newcomers, one read leads to the main queue, and old reads count for nothing: near to LRU.
    Recency,
    /// S3-FIFO: a tenth for newcomers, two reads or a return lead to the main queue, where reads buy a turn each.
    Balance,
    /// W-TinyLFU in FIFO's clothes: hardly any room for newcomers, and who leaves it stays only by having been seen more
    /// often than the next victim. Holds on to a part of a loop that is larger than the cache.
    Frequency,
}

/// What a hand makes of a record that lives and may be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// To the main queue's tail, counting as read so often.
    Stay(u8),
    Leave,
    /// Whichever was seen more often stays: this one, or the next at the main queue's head.
    Duel,
}

impl Rule {
    pub(super) const ALL: [Self; 3] = [Self::Recency, Self::Balance, Self::Frequency];

    /// The part of a thousand bytes that newcomers get before one of them is judged.
    fn small_share(self) -> usize {
        match self {
            Self::Recency => 400,
            Self::Balance => 100,
            Self::Frequency => 5,
        }
    }

    /// Whether the small queue holds more than its share.
    pub(super) fn is_over(self, small: usize, main: usize) -> bool {
        small * 1000 > (small + main) * self.small_share()
    }

    /// At the small queue's head; `small` and `main` are as they would be with this record in the main queue. `grew` is
    /// whether the last one was let in freely: what was not read is so every other time only, so that a change of rules does
    /// not move all of a large small queue before anything leaves.
    pub(super) fn on_probation(self, reads: u8, small: usize, main: usize, grew: &mut bool) -> Turn {
        let stays = match self {
            Self::Recency => reads >= 1,
            Self::Balance => reads >= 2,
            Self::Frequency => {
                *grew = small * 1000 > (small + main) * FREQUENCY_SHARE_MAX && (reads > 0 || !*grew);
                if !*grew {
                    return Turn::Duel;
                }
                true
            }
        };
        if stays { Turn::Stay(0) } else { Turn::Leave }
    }

    /// At the main queue's head.
    pub(super) fn in_main(self, reads: u8) -> Turn {
        match (self, reads) {
            (_, 0) => Turn::Leave,
            (Self::Recency, _) => Turn::Stay(0),
            (_, reads) => Turn::Stay(reads - 1),
        }
    }

    /// Whether who returns goes to the main queue at once, which takes a ghost; else it takes a sketch.
    pub(super) fn welcomes_back(self) -> bool {
        self != Self::Frequency
    }
}
