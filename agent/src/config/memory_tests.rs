//! Tests of `memory`, on made-up `/proc` and `/sys` trees.

use super::*;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V1: &str = "34 25 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                  35 25 0:30 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n";

/// A root with 16 GiB of RAM and the files given.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in
        [("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1 kB\n")].iter().chain(files)
    {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn auto(files: &[(&str, &str)]) -> Resolved {
    automatic(root(files).path(), false)
}

#[test]
fn v2_own_limit() {
    let found = auto(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", V2),
        ("sys/fs/cgroup/memory.max", "536870912\n"),
        ("sys/fs/cgroup/memory.high", "max\n"),
    ]);
    assert_eq!(found.bytes, 512 * MIB - 512 * MIB / 5);
    assert_eq!(found.origin, "80% of the cgroup limit 512 MiB of /sys/fs/cgroup/memory.max");
    assert_eq!(found.warning, None);
}

#[test]
fn v2_tightest_of_nested_limits() {
    let nested = |pod: &str, own: &str, high: &str| {
        auto(&[
            ("proc/self/cgroup", "0::/pods/pod7/agent\n"),
            ("proc/self/mountinfo", V2),
            ("sys/fs/cgroup/pods/memory.max", "max\n"),
            ("sys/fs/cgroup/pods/pod7/memory.max", pod),
            ("sys/fs/cgroup/pods/pod7/agent/memory.max", own),
            ("sys/fs/cgroup/pods/pod7/agent/memory.high", high),
        ])
        .origin
    };
    let file = "/sys/fs/cgroup/pods/pod7";
    assert_eq!(
        nested("1073741824", "max", "max"),
        format!("80% of the cgroup limit 1 GiB of {file}/memory.max")
    );
    assert_eq!(
        nested("1073741824", "2147483648", "max"),
        format!("80% of the cgroup limit 1 GiB of {file}/memory.max")
    );
    assert_eq!(
        nested("1073741824", "536870912", "max"),
        format!("80% of the cgroup limit 512 MiB of {file}/agent/memory.max")
    );
    assert_eq!(
        nested("1073741824", "536870912", "268435456"),
        format!("80% of the cgroup limit 256 MiB of {file}/agent/memory.high")
    );
    assert_eq!(nested("max", "max", "max"), "80% of 16 GiB of RAM, as no cgroup sets a limit");
}

#[test]
fn v1_own_and_hierarchical_limits() {
    let with_limits = |own: &str, stat: &str| {
        auto(&[
            ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a/b\n1:name=systemd:/\n"),
            ("proc/self/mountinfo", V1),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2147483648\n"),
            ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", own),
            ("sys/fs/cgroup/memory/a/b/memory.stat", stat),
        ])
        .origin
    };
    let at = "/sys/fs/cgroup/memory/a";
    assert_eq!(
        with_limits("9223372036854771712\n", "cache 0\n"),
        format!("80% of the cgroup limit 2 GiB of {at}/memory.limit_in_bytes")
    );
    assert_eq!(
        with_limits("1073741824\n", "cache 0\nhierarchical_memory_limit 2147483648\n"),
        format!("80% of the cgroup limit 1 GiB of {at}/b/memory.limit_in_bytes")
    );
    // The file that sets a limit is named, not the one that tells of it.
    assert_eq!(
        with_limits("9223372036854771712\n", "hierarchical_memory_limit 2147483648\n"),
        format!("80% of the cgroup limit 2 GiB of {at}/memory.limit_in_bytes")
    );
    assert_eq!(
        with_limits("1073741824\n", "cache 0\nhierarchical_memory_limit 536870912\n"),
        format!("80% of the cgroup limit 512 MiB of {at}/b/memory.stat")
    );
}

#[test]
fn a_container_that_sees_only_its_own_cgroup() {
    // Version 1 without a cgroup namespace: the path is the host's, the mount shows just the container.
    let found = auto(&[
        ("proc/self/cgroup", "4:memory:/docker/abc\n"),
        (
            "proc/self/mountinfo",
            "35 25 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        ),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
    ]);
    assert_eq!(found.origin, "80% of the cgroup limit 1 GiB of /sys/fs/cgroup/memory/memory.limit_in_bytes");
    // A process moved out of the namespace it was started in, and a neighbour whose name begins alike.
    for path in ["0::/../../other\n", "0::/docker/abcdef\n"] {
        let found = auto(&[
            ("proc/self/cgroup", path),
            ("proc/self/mountinfo", "35 25 0:30 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
            ("sys/fs/cgroup/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/def/memory.max", "1\n"),
        ]);
        assert_eq!(found.origin, "80% of the cgroup limit 1 GiB of /sys/fs/cgroup/memory.max", "{path}");
    }
}

#[test]
fn both_versions_at_once_and_a_mount_point_with_a_blank() {
    let mounts = "34 25 0:29 / /cg\\040one/memory rw - cgroup cgroup rw,memory\n\
                  35 25 0:30 / /cg\\040one/unified rw - cgroup2 cgroup2 rw\n";
    let found = auto(&[
        ("proc/self/cgroup", "4:memory:/\n0::/\n"),
        ("proc/self/mountinfo", mounts),
        ("cg one/memory/memory.limit_in_bytes", "1073741824\n"),
        ("cg one/unified/memory.max", "2147483648\n"),
    ]);
    assert_eq!(found.origin, "80% of the cgroup limit 1 GiB of /cg one/memory/memory.limit_in_bytes");
}

#[test]
fn without_a_limit_below_ram_it_is_ram() {
    let found = auto(&[]);
    assert_eq!(found.bytes, 16 * GIB - 16 * GIB / 5);
    assert_eq!(found.origin, "80% of 16 GiB of RAM, as no cgroup sets a limit");
    let found = auto(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", V2),
        ("sys/fs/cgroup/memory.max", "1099511627776\n"),
    ]);
    assert_eq!(found.bytes, 16 * GIB - 16 * GIB / 5);
    let in_kubernetes = automatic(root(&[]).path(), true);
    assert_eq!(
        in_kubernetes.warning.unwrap(),
        "memory is 12.8 GiB because this container has no memory limit: set resources.limits.memory, or --memory"
    );
}

#[test]
fn small_limits_leave_32_mib_and_take_8_mib_at_least() {
    let with_max = |bytes: u64| {
        auto(&[
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", V2),
            ("sys/fs/cgroup/memory.max", &bytes.to_string()),
        ])
    };
    let found = with_max(64 * MIB);
    assert_eq!(found.bytes, 32 * MIB);
    assert_eq!(found.origin, "all but 32 MiB of the cgroup limit 64 MiB of /sys/fs/cgroup/memory.max");
    // The two rules meet at 160 MiB.
    assert_eq!(with_max(160 * MIB).bytes, 128 * MIB);
    assert_eq!(with_max(160 * MIB - 1).bytes, 128 * MIB - 1);
    assert_eq!(with_max(40 * MIB).warning, None);
    let found = with_max(20 * MIB);
    assert_eq!(found.bytes, 8 * MIB);
    assert_eq!(found.origin, "the least there is, of the cgroup limit 20 MiB of /sys/fs/cgroup/memory.max");
    assert_eq!(
        found.warning.unwrap(),
        "memory is 8 MiB, the least there is, though the cgroup limit 20 MiB of /sys/fs/cgroup/memory.max should leave \
         32 MiB free: the kernel may kill the agent; raise the limit to 40MiB or more"
    );
}

#[test]
fn a_machine_that_tells_nothing() {
    let empty = tempfile::tempdir().unwrap();
    let found = automatic(empty.path(), false);
    assert_eq!(found.bytes, 64 * MIB);
    assert_eq!(found.origin, "assumed, as neither a cgroup limit nor /proc/meminfo can be read");
    assert!(found.warning.unwrap().contains("set --memory"));
}

#[test]
fn an_explicit_size_beyond_the_limit_is_warned_of() {
    let dir = root(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", V2),
        ("sys/fs/cgroup/memory.max", "536870912\n"),
    ]);
    let found = explicit(511 * MIB, &Origin::Flag, dir.path());
    assert_eq!((found.bytes, found.origin.as_str(), found.warning), (511 * MIB, "set by flag", None));
    let found = explicit(GIB, &Origin::Environment { variable: "LARDER_MEMORY".to_owned() }, dir.path());
    assert_eq!((found.bytes, found.origin.as_str()), (GIB, "set by environment LARDER_MEMORY"));
    assert_eq!(
        found.warning.unwrap(),
        "memory 1 GiB leaves nothing of the cgroup limit 512 MiB of /sys/fs/cgroup/memory.max: the kernel will kill \
         the agent as it fills; set --memory to 409MiB or less, or auto, or raise the limit"
    );
}

#[test]
fn this_machine_tells_something() {
    let found = automatic(Path::new("/"), false);
    assert!(found.bytes >= 8 * MIB, "{}", found.bytes);
    assert!(found.origin.contains(" of "), "{}", found.origin);
}
