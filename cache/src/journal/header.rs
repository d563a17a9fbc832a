//! The header: the block that every journal begins with.
//!
//! Three sectors of it are used. The first is written once. The second says how long the file is at least, so that one that
//! was cut off is not taken for one that was never written; it is rewritten as the file grows, which a kill cannot tear, since
//! it lies within a page. The third is the poison: a journal that could not be written to is not to be believed again, and
//! since the block has its room on the device, saying so needs none.

use crc32c::crc32c;

use super::recovery::Reason;

/// Bytes of the header.
pub(super) const BLOCK: usize = 4096;
/// Where the length is kept.
pub(super) const LENGTH_AT: u64 = 512;
/// Where the poison goes.
pub(super) const POISON_AT: u64 = 3584;
pub(super) const POISON: [u8; 1] = [0xdb];

const MAGIC: [u8; 8] = *b"larder-j";
const VERSION: u32 = 1;

/// What a journal keeps of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Of the kernel under which it was begun: nothing is synced, so it is good for that one only.
    pub(super) boot: [u8; 16],
    /// Keys are hashed with this for as long as the directory lives.
    pub(super) seed: [u8; 16],
    /// The store's.
    pub(super) incarnation: u64,
    /// What the first frame's CRC continues.
    pub(super) chain: u32,
    /// Whether names and values are sealed.
    pub(super) is_sealed: bool,
    /// How many parts keys are divided among, each with segments of its own, for as long as the directory lives.
    pub(super) parts: u16,
}

impl Header {
    pub(super) fn encode(&self, length: u64) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(&MAGIC);
        block[8..12].copy_from_slice(&VERSION.to_le_bytes());
        block[12] = u8::from(self.is_sealed);
        block[14..16].copy_from_slice(&self.parts.to_le_bytes());
        block[16..32].copy_from_slice(&self.boot);
        block[32..48].copy_from_slice(&self.seed);
        block[48..56].copy_from_slice(&self.incarnation.to_le_bytes());
        block[56..60].copy_from_slice(&self.chain.to_le_bytes());
        let sum = crc32c(&block[..60]);
        block[60..64].copy_from_slice(&sum.to_le_bytes());
        block[LENGTH_AT as usize..][..12].copy_from_slice(&encode_length(length));
        block
    }

    /// The header and how long the file is at least; whether it may be believed is not asked yet.
    pub(super) fn decode(block: &[u8; BLOCK]) -> Result<(Self, u64), Reason> {
        if block[..8] != MAGIC || block[8..12] != VERSION.to_le_bytes() {
            return Err(Reason::OtherFormat);
        }
        let length_at = LENGTH_AT as usize;
        let length = u64::from_le_bytes(field(block, length_at));
        if block[60..64] != crc32c(&block[..60]).to_le_bytes()
            || block[length_at..][..12] != encode_length(length)
        {
            return Err(Reason::Damaged);
        }
        if block[POISON_AT as usize] != 0 {
            return Err(Reason::Poisoned);
        }
        let header = Self {
            boot: field(block, 16),
            seed: field(block, 32),
            incarnation: u64::from_le_bytes(field(block, 48)),
            chain: u32::from_le_bytes(field(block, 56)),
            is_sealed: block[12] != 0,
            parts: u16::from_le_bytes(field(block, 14)),
        };
        Ok((header, length))
    }
}

/// What stands at [`LENGTH_AT`].
pub(super) fn encode_length(length: u64) -> [u8; 12] {
    let mut sector = [0; 12];
    sector[..8].copy_from_slice(&length.to_le_bytes());
    let sum = crc32c(&sector[..8]);
    sector[8..].copy_from_slice(&sum.to_le_bytes());
    sector
}

fn field<const N: usize>(block: &[u8; BLOCK], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&block[at..at + N]);
    field
}
