//! A trace: which entry each request asks for, and how many bytes every entry has.

use std::collections::HashMap;

/// Entries are numbered from zero in the order of their first request.
pub(crate) struct Trace {
    /// The entry of each request.
    pub(crate) requests: Vec<u32>,
    /// Bytes of each entry; the unit is up to the row.
    pub(crate) sizes: Vec<u32>,
}

impl Trace {
    /// Numbers the keys; every entry has size one.
    pub(crate) fn uniform(keys: impl IntoIterator<Item = u64>) -> Self {
        let mut numbers = HashMap::new();
        let mut requests = Vec::new();
        for key in keys {
            let next = numbers.len() as u32;
            requests.push(*numbers.entry(key).or_insert(next));
        }
        Self { requests, sizes: vec![1; numbers.len()] }
    }

    /// Numbers the keys and asks for the size of each.
    pub(crate) fn sized(keys: impl IntoIterator<Item = u64>, mut size: impl FnMut(u64) -> u32) -> Self {
        let mut numbers = HashMap::new();
        let (mut requests, mut sizes) = (Vec::new(), Vec::new());
        for key in keys {
            let number = *numbers.entry(key).or_insert_with(|| {
                sizes.push(size(key));
                sizes.len() as u32 - 1
            });
            requests.push(number);
        }
        Self { requests, sizes }
    }

    /// Bytes of an entry.
    #[inline]
    pub(crate) fn size(&self, entry: u32) -> u64 {
        u64::from(self.sizes[entry as usize])
    }
}
