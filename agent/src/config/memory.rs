//! How much memory there is to take: the limits of the cgroup, of both versions and of every ancestor that
//! can be seen, else the RAM of the machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::draft::Origin;
use super::settings::MEMORY_BYTES;
use super::units::{approx_size, exact_size};

/// `auto` leaves at least this much to page cache, socket buffers and the program itself.
const LEAST_LEFT_BYTES: u64 = 32 << 20;
/// `auto` leaves at least one part in this many.
const LEAST_LEFT_PART: u64 = 5;
/// A limit that says "none": cgroup v1 writes the largest page-aligned number there is.
const UNLIMITED_BYTES: u64 = 1 << 60;

/// The size of the cache, and how it came about.
pub(super) struct Resolved {
    pub(super) bytes: u64,
    pub(super) origin: String,
    pub(super) warning: Option<String>,
}

/// A size someone set. `root` is where `/proc` and `/sys` are looked for.
pub(super) fn explicit(bytes: u64, origin: &Origin, root: &Path) -> Resolved {
    let warning = limit(root).filter(|limit| bytes >= limit.bytes).map(|limit| {
        format!(
            "memory {} leaves nothing of {}: the kernel will kill the agent as it fills; set --memory to {} or less, \
             or auto, or raise the limit",
            approx_size(bytes),
            limit.words(),
            exact_size((to_take(limit.bytes).0 >> 20 << 20).max(*MEMORY_BYTES.start())),
        )
    });
    Resolved { bytes, origin: set_by(origin), warning }
}

/// The words for a size that was not computed.
pub(super) fn set_by(origin: &Origin) -> String {
    format!("set by {origin}")
}

/// What `auto` stands for on this machine.
pub(super) fn automatic(root: &Path, in_kubernetes: bool) -> Resolved {
    let Some(limit) = limit(root) else {
        let bytes = 64 << 20;
        let origin = "assumed, as neither a cgroup limit nor /proc/meminfo can be read".to_owned();
        let warning = Some(format!(
            "memory is {}: neither a cgroup limit nor /proc/meminfo can be read; set --memory",
            approx_size(bytes)
        ));
        return Resolved { bytes, origin, warning };
    };
    let (bytes, how) = to_take(limit.bytes);
    let words = limit.words();
    let (bytes, origin, warning) = if bytes < *MEMORY_BYTES.start() {
        let least = *MEMORY_BYTES.start();
        let warning = format!(
            "memory is {}, the least there is, though {words} should leave {} free: the kernel may kill the agent; \
             raise the limit to {} or more",
            approx_size(least),
            approx_size(LEAST_LEFT_BYTES),
            exact_size(least + LEAST_LEFT_BYTES),
        );
        (least, format!("the least there is, of {words}"), Some(warning))
    } else {
        let warning = (in_kubernetes && limit.file.is_none()).then(|| {
            format!(
                "memory is {} because this container has no memory limit: set resources.limits.memory, or --memory",
                approx_size(bytes)
            )
        });
        (bytes, how.replace("{}", &words), warning)
    };
    Resolved { bytes, origin, warning }
}

/// What `auto` takes of `limit_bytes`, and the words for it, with `{}` for the limit's own.
fn to_take(limit_bytes: u64) -> (u64, &'static str) {
    let part = limit_bytes / LEAST_LEFT_PART;
    if part >= LEAST_LEFT_BYTES {
        (limit_bytes - part, "80% of {}")
    } else {
        (limit_bytes.saturating_sub(LEAST_LEFT_BYTES), "all but 32 MiB of {}")
    }
}

/// The tightest limit there is.
struct Limit {
    bytes: u64,
    /// The cgroup's file that says so; `None`: it is the machine's RAM.
    file: Option<PathBuf>,
}

impl Limit {
    fn words(&self) -> String {
        let size = approx_size(self.bytes);
        match &self.file {
            Some(file) => format!("the cgroup limit {size} of {}", file.display()),
            None => format!("{size} of RAM, as no cgroup sets a limit"),
        }
    }
}

fn limit(root: &Path) -> Option<Limit> {
    let ram = ram_bytes(root).map(|bytes| Limit { bytes, file: None });
    // Of equals RAM wins, then the file that sets a limit over `memory.stat`, which only tells of it.
    let tells = |limit: &Limit| limit.file.as_ref().is_some_and(|file| file.ends_with("memory.stat"));
    ram.into_iter().chain(cgroup_limits(root)).min_by_key(|limit| (limit.bytes, tells(limit)))
}

fn ram_bytes(root: &Path) -> Option<u64> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Every limit that this process's cgroup and its visible ancestors set.
fn cgroup_limits(root: &Path) -> Vec<Limit> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (own, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let mut limits = Vec::new();
    for mount in mounts.lines().filter_map(Mount::parse) {
        for line in own.lines() {
            // hierarchy-id:controllers:path
            let mut fields = line.splitn(3, ':');
            let (Some(id), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let fits = match mount.version {
                Version::One => controllers.split(',').any(|controller| controller == "memory"),
                Version::Two => id == "0" && controllers.is_empty(),
            };
            if fits {
                mount.collect_limits(root, path, &mut limits);
            }
        }
    }
    limits
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A mounted cgroup hierarchy that accounts for memory.
struct Mount {
    version: Version,
    /// The cgroup that is seen at `at`: `/`, or a container's own where the whole tree is not shown.
    shows: String,
    at: PathBuf,
}

impl Mount {
    /// Reads a line of `/proc/self/mountinfo`; `None` for other mounts.
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (shows, at) = (unescape(before.next()?), unescape(before.next()?));
        let mut after = after.split(' ');
        let version = match after.next()? {
            "cgroup2" => Version::Two,
            "cgroup" if after.nth(1)?.split(',').any(|option| option == "memory") => Version::One,
            _ => return None,
        };
        Some(Self { version, shows, at: PathBuf::from(at) })
    }

    /// Adds the limits of the cgroup `path` and of its ancestors up to what the mount shows.
    fn collect_limits(&self, root: &Path, path: &str, limits: &mut Vec<Limit>) {
        // Seen from a container the two may have nothing in common; then the mount itself is the container's
        // cgroup.
        let below = path
            .strip_prefix(self.shows.trim_end_matches('/'))
            .filter(|below| below.is_empty() || below.starts_with('/'));
        let below = Path::new(below.unwrap_or_default().trim_start_matches('/'));
        // A path that leads out of the cgroup namespace has `..` in it.
        let below = if below.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
            below
        } else {
            Path::new("")
        };
        for ancestor in below.ancestors() {
            let dir = self.at.join(ancestor);
            let mut add = |name: &str, find: fn(&str) -> Option<u64>| {
                let file = if ancestor.as_os_str().is_empty() { self.at.join(name) } else { dir.join(name) };
                let Ok(relative) = file.strip_prefix("/") else { return };
                let text = fs::read_to_string(root.join(relative)).unwrap_or_default();
                if let Some(bytes) = find(&text).filter(|bytes| *bytes < UNLIMITED_BYTES) {
                    limits.push(Limit { bytes, file: Some(file) });
                }
            };
            match self.version {
                Version::One => {
                    add("memory.limit_in_bytes", whole);
                    // Knows of the ancestors outside a container too.
                    add("memory.stat", |text| {
                        whole(text.lines().find_map(|line| line.strip_prefix("hierarchical_memory_limit "))?)
                    });
                }
                Version::Two => {
                    add("memory.max", whole);
                    // Above this the kernel slows the process down, which for a cache is as bad.
                    add("memory.high", whole);
                }
            }
        }
    }
}

/// A file that holds one number; `max` is none.
fn whole(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// mountinfo writes blanks in names as `\040`, and tab, newline and backslash likewise.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
