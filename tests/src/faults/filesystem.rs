//! What the kernel asks, passed on to the directory beneath after the faults have had their say.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, KernelConfig, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{CWD, OFlags, renameat_with};

use super::fault::Op;
use super::meta::Change;
use super::passing::{NOT_AT_ALL, Passing, end, end_entry, end_write, give, options};
use super::tree::Open;

/// Bytes of one request, which is as much as the kernel sends unless told otherwise by its administrator.
const REQUEST_MAX: u32 = 1 << 20;

/// Every read and write comes here, several of one file at a time.
const OPENED: FopenFlags = FopenFlags::FOPEN_DIRECT_IO.union(FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES);

thread_local! {
    /// What is being read; no longer than a request.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Filesystem for Passing {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // What it refuses is less than its own limit, which then holds.
        let _ = config.set_max_write(REQUEST_MAX);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        end_entry(self.find(parent, name), reply);
    }

    fn forget(&self, _request: &Request, number: INodeNo, lookups: u64) {
        self.0.nodes.forget(number.0, lookups);
    }

    fn getattr(&self, _request: &Request, number: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.0.attributes(number.0, handle.map(|handle| handle.0)) {
            Ok(attributes) => reply.attr(&NOT_AT_ALL, &attributes),
            Err(error) => reply.error(error.into()),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        number: INodeNo,
        mode: Option<u32>,
        owner: Option<u32>,
        group: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _changed: Option<SystemTime>,
        handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _changed_mac: Option<SystemTime>,
        _saved_mac: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = Change { mode, owner, group, accessed, modified };
        let (number, handle) = (number.0, handle.map(|handle| handle.0));
        let plan = size.map(|_| self.0.plan(Op::Truncate, request.pid(), number)).unwrap_or_default();
        self.0.later(plan, move |tree, plan| {
            let mut changed = size.map_or(Ok(()), |length| tree.truncate(plan, number, handle, length));
            if !change.is_empty() {
                let file = || tree.file(number, handle, OpenOptions::new().read(true));
                changed = changed.and_then(|()| change.apply(&file()?));
            }
            match changed.and_then(|()| tree.attributes(number, handle)) {
                Ok(attributes) => reply.attr(&NOT_AT_ALL, &attributes),
                Err(error) => reply.error(error.into()),
            }
        });
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let made = self.path(parent, name).and_then(|path| {
            let place = self.0.root().join(path);
            fs::DirBuilder::new().mode(mode & !umask).create(&place)?;
            give(&File::open(place)?, (request.uid(), request.gid()))?;
            self.find(parent, name)
        });
        end_entry(made, reply);
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(request, parent, name, reply, false);
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(request, parent, name, reply, true);
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let paths = self.path(parent, name).and_then(|from| Ok((from, self.path(new_parent, new_name)?)));
        let (from, to) = match paths {
            Ok(paths) if flags.difference(RenameFlags::RENAME_NOREPLACE).is_empty() => paths,
            Ok(_) => return reply.error(Errno::EINVAL),
            Err(error) => return reply.error(error.into()),
        };
        let plan = self.0.rules().plan(Op::Rename, request.pid(), || Some(from.as_path().into()));
        self.0.later(plan, move |tree, plan| {
            let flags = rustix::fs::RenameFlags::from_bits_retain(flags.bits());
            let rename = || renameat_with(CWD, tree.root().join(&from), CWD, tree.root().join(&to), flags);
            let renamed = plan.refusal().and_then(|()| rename());
            end(renamed.map(|()| tree.nodes.rename(&from, &to)).map_err(io::Error::from), reply);
        });
    }

    fn open(&self, request: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let plan = self.0.plan(Op::Open, request.pid(), number.0);
        self.0.later(plan, move |tree, plan| {
            tree.cut(plan, number.0);
            let refused = plan.refusal().map_err(io::Error::from);
            match refused.and_then(|()| tree.file(number.0, None, &options(flags.0))) {
                Ok(file) => {
                    reply.opened(FileHandle(tree.enter(Open { file, number: number.0 })), OPENED);
                }
                Err(error) => reply.error(error.into()),
            }
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let path = match self.path(parent, name) {
            Ok(path) => path,
            Err(error) => return reply.error(error.into()),
        };
        let plan = self.0.rules().plan(Op::Open, request.pid(), || Some(path.as_path().into()));
        let user = (request.uid(), request.gid());
        self.0.later(plan, move |tree, plan| {
            let create = || {
                plan.refusal()?;
                let mut options =
                    options((flags & !(OFlags::ACCMODE.bits() as i32)) | OFlags::RDWR.bits() as i32);
                let file = options.create(true).mode(mode & !umask).open(tree.root().join(&path))?;
                give(&file, user)?;
                let attributes = tree.tell(path, &file.metadata()?);
                Ok((tree.enter(Open { file, number: attributes.ino.0 }), attributes))
            };
            match create() {
                Ok((handle, attributes)) => {
                    reply.created(&NOT_AT_ALL, &attributes, Generation(0), FileHandle(handle), OPENED);
                }
                Err::<_, io::Error>(error) => reply.error(error.into()),
            }
        });
    }

    fn read(
        &self,
        request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(open) = self.0.open(handle.0) else { return reply.error(Errno::EBADF) };
        let plan = self.0.plan(Op::Read, request.pid(), number.0);
        self.0.later(plan, move |tree, plan| {
            SCRATCH.with_borrow_mut(|scratch| {
                let length = (size as usize).min(REQUEST_MAX as usize);
                if scratch.len() < length {
                    scratch.resize(length, 0);
                }
                match tree.read(plan, &open, offset, &mut scratch[..length]) {
                    Ok(length) => reply.data(&scratch[..length]),
                    Err(error) => reply.error(error.into()),
                }
            });
        });
    }

    fn write(
        &self,
        request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(open) = self.0.open(handle.0) else { return reply.error(Errno::EBADF) };
        let plan = self.0.plan(Op::Write, request.pid(), number.0);
        if !plan.is_stalled() {
            return end_write(self.0.write(&plan, &open, offset, bytes), reply);
        }
        let bytes = bytes.to_vec();
        self.0.later(plan, move |tree, plan| end_write(tree.write(plan, &open, offset, &bytes), reply));
    }

    fn fallocate(
        &self,
        request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let Some(open) = self.0.open(handle.0) else { return reply.error(Errno::EBADF) };
        let plan = self.0.plan(Op::Allocate, request.pid(), number.0);
        self.0.later(plan, move |tree, plan| {
            end(tree.allocate(plan, &open, mode as u32, offset, length), reply);
        });
    }

    fn fsync(
        &self,
        request: &Request,
        number: INodeNo,
        handle: FileHandle,
        data_only: bool,
        reply: ReplyEmpty,
    ) {
        let Some(open) = self.0.open(handle.0) else { return reply.error(Errno::EBADF) };
        let plan = self.0.plan(Op::Sync, request.pid(), number.0);
        self.0.later(plan, move |tree, plan| {
            tree.cut(plan, open.number);
            let refused = plan.refusal().map_err(io::Error::from);
            let sync = || if data_only { open.file.sync_data() } else { open.file.sync_all() };
            end(refused.and_then(|()| sync()), reply);
        });
    }

    fn fsyncdir(
        &self,
        request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        let plan = self.0.plan(Op::Sync, request.pid(), number.0);
        self.0.later(plan, move |tree, plan| {
            let refused = plan.refusal().map_err(io::Error::from);
            end(refused.and_then(|()| File::open(tree.place(number.0)?)?.sync_all()), reply);
        });
    }

    fn flush(
        &self,
        _request: &Request,
        _number: INodeNo,
        _handle: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        // Nothing is kept back that a close could bring out, and a local disk says nothing then either.
        reply.ok();
    }

    fn release(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.0.leave(handle.0);
        reply.ok();
    }

    fn opendir(&self, _request: &Request, _number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(self.0.handle()), FopenFlags::empty());
    }

    fn readdir(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        // What is listed is what there was when the listing began, whatever is removed meanwhile.
        if offset == 0 {
            match self.list(number) {
                Ok(entries) => self.lists().insert(handle.0, entries),
                Err(error) => return reply.error(error.into()),
            };
        }
        let lists = self.lists();
        let entries = lists.get(&handle.0).map_or(&[][..], Vec::as_slice);
        for (at, (number, kind, name)) in entries.iter().enumerate().skip(offset as usize) {
            if reply.add(INodeNo(*number), at as u64 + 1, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.lists().remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _number: INodeNo, reply: ReplyStatfs) {
        match self.0.room() {
            Ok(room) => {
                let [block, name, unit] =
                    [room.f_bsize, room.f_namemax, room.f_frsize].map(|size| size as u32);
                let (free, available) = (room.f_bfree, room.f_bavail);
                reply.statfs(room.f_blocks, free, available, room.f_files, room.f_ffree, block, name, unit);
            }
            Err(error) => reply.error(error.into()),
        }
    }
}
