//! Tags: names that entries carry, so that all that carry one can be invalidated at once.
//!
//! Encoded as they lie with an entry: each tag's length in a byte, then the tag.

/// Tags that one entry may carry.
pub const TAGS_MAX: usize = 64;
/// Bytes of the longest tag.
pub const TAG_BYTES_MAX: usize = 255;
/// Bytes that the tags of one entry take at most, lengths included.
pub const TAGS_BYTES_MAX: usize = 4096;

/// Why some tags cannot be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// An empty tag would match nothing anybody means.
    #[error("a tag is empty")]
    Empty,
    /// One is over [`TAG_BYTES_MAX`].
    #[error("a tag is longer than 255 bytes")]
    TooLong,
    /// There are over [`TAGS_MAX`], or they take over [`TAGS_BYTES_MAX`].
    #[error("an entry carries at most 64 tags of 4096 bytes together")]
    TooMany,
}

/// The tags of one entry: each once, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<u8>);

impl Tags {
    /// Adds a tag, unless it is there.
    ///
    /// # Errors
    /// If it cannot be carried; what was there stays.
    pub fn add(&mut self, tag: &[u8]) -> Result<(), TagError> {
        if tag.is_empty() {
            return Err(TagError::Empty);
        }
        let Ok(length) = u8::try_from(tag.len()) else { return Err(TagError::TooLong) };
        if iter(&self.0).any(|known| known == tag) {
            return Ok(());
        }
        if iter(&self.0).count() >= TAGS_MAX || self.0.len() + 1 + tag.len() > TAGS_BYTES_MAX {
            return Err(TagError::TooMany);
        }
        self.0.push(length);
        self.0.extend_from_slice(tag);
        Ok(())
    }

    /// Tags as they lie with an entry.
    pub(crate) fn from_encoded(encoded: &[u8]) -> Self {
        Self(encoded.to_vec())
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tags, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        iter(&self.0)
    }
}

/// The tags in an encoding, one by one.
pub(crate) fn iter(encoded: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = encoded;
    std::iter::from_fn(move || {
        let (&length, behind) = rest.split_first()?;
        let (tag, next) = behind.split_at_checked(usize::from(length))?;
        rest = next;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_kept_once_and_in_order() {
        let mut tags = Tags::default();
        for tag in [&b"user:1"[..], b"page", b"user:1"] {
            tags.add(tag).expect("short enough");
        }
        assert_eq!(tags.iter().collect::<Vec<_>>(), [&b"user:1"[..], b"page"]);
        assert_eq!(Tags::from_encoded(tags.encoded()), tags);
    }

    #[test]
    fn limits_hold() {
        let mut tags = Tags::default();
        assert_eq!(tags.add(b""), Err(TagError::Empty));
        assert_eq!(tags.add(&[b'x'; 256]), Err(TagError::TooLong));
        for number in 0..TAGS_MAX {
            tags.add(format!("tag {number}").as_bytes()).expect("not too many");
        }
        assert_eq!(tags.add(b"one more"), Err(TagError::TooMany));
        let mut long = Tags::default();
        let added = (0..TAGS_MAX).take_while(|&n| long.add(&[n as u8; 255]).is_ok()).count();
        assert_eq!(added, TAGS_BYTES_MAX / 256);
    }
}
