//! Bytes on their way from and to the directory beneath, and what faults do to them.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::PoisonError;

use rustix::fs::{FallocateFlags, fallocate};

use super::Errno;
use super::fault::Kind;
use super::rule::Plan;
use super::tree::{Open, Tree};

impl Tree {
    /// Fills `buffer`; returns how much of it.
    pub(super) fn read(&self, plan: &Plan, open: &Open, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.cut(plan, open.number);
        plan.refusal()?;
        let mut length = 0;
        while length < buffer.len() {
            match open.file.read_at(&mut buffer[length..], offset + length as u64) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let Some(rule) = &plan.change else { return Ok(length) };
        match rule.fault.kind {
            Kind::Short if length > 1 => length /= 2,
            Kind::Flip if length > 0 => rule.flip(&mut buffer[..length]),
            // At a file's end there is nothing to spoil.
            _ => rule.take_back(),
        }
        Ok(length)
    }

    /// Writes; returns how much was written.
    pub(super) fn write(&self, plan: &Plan, open: &Open, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.cut(plan, open.number);
        plan.refusal()?;
        let growth = plan.full.as_ref().map(|_| self.growth.lock().unwrap_or_else(PoisonError::into_inner));
        let fits = self.fits(plan, open, offset, bytes.len() as u64);
        let kind = plan.change.as_ref().map(|rule| (rule, rule.fault.kind));
        let written = match (fits, kind) {
            (Ok(length), Some((rule, kind))) if length == bytes.len() as u64 => match kind {
                Kind::Short if bytes.len() > 1 => {
                    let half = bytes.len() / 2;
                    open.file.write_all_at(&bytes[..half], offset).map(|()| half)
                }
                Kind::Torn(errno) => {
                    open.file.write_all_at(&bytes[..bytes.len() / 2], offset).and_then(|()| Err(errno.into()))
                }
                Kind::Flip if !bytes.is_empty() => {
                    let mut spoilt = bytes.to_vec();
                    rule.flip(&mut spoilt);
                    open.file.write_all_at(&spoilt, offset).map(|()| bytes.len())
                }
                _ => {
                    rule.take_back();
                    open.file.write_all_at(bytes, offset).map(|()| bytes.len())
                }
            },
            (fits, kind) => {
                // The full disk was there first.
                kind.inspect(|(rule, _)| rule.take_back());
                fits.and_then(|length| {
                    let length = length as usize;
                    open.file.write_all_at(&bytes[..length], offset).map(|()| length)
                })
            }
        };
        drop(growth);
        written
    }

    /// Reserves room, or does what else `fallocate` is for.
    pub(super) fn allocate(
        &self,
        plan: &Plan,
        open: &Open,
        mode: u32,
        offset: u64,
        length: u64,
    ) -> io::Result<()> {
        self.cut(plan, open.number);
        plan.refusal()?;
        let _growth = plan.full.as_ref().map(|_| self.growth.lock().unwrap_or_else(PoisonError::into_inner));
        let mode = FallocateFlags::from_bits_retain(mode);
        if !mode.contains(FallocateFlags::PUNCH_HOLE) && self.fits(plan, open, offset, length)? < length {
            return Err(Errno::NOSPC.into());
        }
        Ok(fallocate(&open.file, mode, offset, length)?)
    }

    /// Gives a file another length.
    pub(super) fn truncate(
        &self,
        plan: &Plan,
        number: u64,
        handle: Option<u64>,
        length: u64,
    ) -> io::Result<()> {
        self.cut(plan, number);
        plan.refusal()?;
        self.file(number, handle, OpenOptions::new().write(true))?.set_len(length)
    }
}
