//! Tests of what the disk tier takes.

use super::*;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn volume(capacity: u64, free: u64, own: u64) -> Volume {
    Volume { capacity, free, own }
}

fn pages(bytes: u64) -> u64 {
    bytes / PAGE * PAGE
}

#[test]
fn auto_is_a_share_of_the_limit_or_of_the_volume() {
    for (limit, capacity, bytes, origin) in [
        (Some(GIB), 100 * GIB, pages(GIB / 5 * 4), "80% of the volume limit 1 GiB"),
        (Some(5 * MIB), 100 * GIB, 4 * MIB, "80% of the volume limit 5 MiB"),
        (None, 10 * GIB, 512 * MIB, "5% of the volume's 10 GiB"),
        (None, 80 * MIB, 4 * MIB, "5% of the volume's 80 MiB"),
        (None, 20 * GIB, GIB, "what auto takes at most, of the volume's 20 GiB"),
        (None, 999 * GIB, GIB, "what auto takes at most, of the volume's 999 GiB"),
    ] {
        let room = volume(capacity, capacity, 0).room(DiskSize::Auto, limit);
        assert_eq!(room, Ok(DiskRoom { bytes, origin: origin.to_owned() }));
    }
}

#[test]
fn a_size_is_taken_as_it_is_in_whole_pages() {
    let roomy = volume(5000 * GIB, 5000 * GIB, 0);
    for (asked, bytes) in [
        (4 * MIB, 4 * MIB),
        (5_000_000, 4_997_120),
        (64 * MIB, 64 * MIB),
        (2 * GIB, 2 * GIB),
        (1000 * GIB, 1000 * GIB - 4096),
    ] {
        // A limit is no matter of this function: one that is too small is a configuration error.
        for limit in [None, Some(3 * GIB)] {
            let room = roomy.room(DiskSize::Bytes(asked), limit).unwrap();
            assert_eq!(room, DiskRoom { bytes, origin: "set by disk-size".to_owned() });
        }
    }
    // A limit of which 80% is more than the engine can take.
    assert_eq!(roomy.room(DiskSize::Auto, Some(2000 * GIB)).unwrap().bytes, 1000 * GIB - 4096);
}

#[test]
fn what_auto_takes_leaves_a_fifth_of_the_volume_free() {
    // 10 GiB, of which 3 are free: one may be taken.
    let room = volume(10 * GIB, 3 * GIB, 0).room(DiskSize::Auto, Some(8 * GIB)).unwrap();
    assert_eq!(room.bytes, GIB);
    assert_eq!(room.origin, "what leaves a fifth of the volume's 10 GiB free");
    let room = volume(10 * GIB, 2 * GIB + 8 * MIB + 1, 0).room(DiskSize::Auto, None).unwrap();
    assert_eq!(room.bytes, 8 * MIB);
    // Who says how much has thought about that.
    let room = volume(10 * GIB, 3 * GIB, 0).room(DiskSize::Bytes(2 * GIB), None).unwrap();
    assert_eq!(room.bytes, 2 * GIB);
}

#[test]
fn what_an_earlier_run_holds_counts_as_free() {
    let first = volume(10 * GIB, 3 * GIB, 0).room(DiskSize::Auto, Some(8 * GIB)).unwrap().bytes;
    let again = volume(10 * GIB, 3 * GIB - first, first).room(DiskSize::Auto, Some(8 * GIB)).unwrap().bytes;
    assert_eq!(first, again);
}

#[test]
fn whatever_the_figures_it_is_in_bounds_or_refused() {
    let sizes = [0, 1, 4095, 4 * MIB, 5 * MIB, GIB, 7_777_777_777, 1000 * GIB, u64::MAX];
    for capacity in sizes {
        for (free, own) in sizes.iter().flat_map(|free| sizes.map(|own| (*free, own))) {
            for limit in [None, Some(4 * MIB), Some(u64::MAX)] {
                let Ok(room) = volume(capacity, free, own).room(DiskSize::Auto, limit) else { continue };
                assert!((4 * MIB..=STORE_MAX).contains(&room.bytes) && room.bytes.is_multiple_of(PAGE));
                let left = free.saturating_add(own) - room.bytes;
                assert!(left >= capacity / 5, "{left} of {capacity}");
            }
        }
    }
}

#[test]
fn too_little_is_refused_with_a_way_out() {
    assert_eq!(
        volume(10 * GIB, 2 * GIB + 4 * MIB - 1, 0).room(DiskSize::Auto, None).unwrap_err(),
        "of the volume's 10 GiB a fifth must stay free, and 2 GiB are; that leaves less than the 4 MiB that the disk \
         tier needs; free some of it, set --disk-size, give another --disk, or none"
    );
    assert!(volume(0, 0, 0).room(DiskSize::Auto, Some(GIB)).is_err());
    assert_eq!(
        volume(60 * MIB, 60 * MIB, 0).room(DiskSize::Auto, None).unwrap_err(),
        "5% of the volume's 60 MiB is less than the 4 MiB that the disk tier needs; set --disk-size"
    );
    assert_eq!(
        volume(GIB, GIB, 0).room(DiskSize::Auto, Some(4 * MIB)).unwrap_err(),
        "80% of the volume limit 4 MiB is less than the 4 MiB that the disk tier needs; set --disk-size"
    );
}

#[test]
fn a_size_is_read_as_it_is_written() {
    for (text, size, written) in [
        ("auto", DiskSize::Auto, "auto"),
        ("AUTO", DiskSize::Auto, "auto"),
        ("4MiB", DiskSize::Bytes(4 * MIB), "4MiB"),
        ("5000000", DiskSize::Bytes(5_000_000), "5000000"),
        ("1000GiB", DiskSize::Bytes(1000 * GIB), "1000GiB"),
    ] {
        assert_eq!(DiskSize::parse(text), Ok(size));
        assert_eq!(size.to_string(), written);
    }
    assert_eq!(DiskSize::parse("4194303").unwrap_err(), "too small: at least 4MiB");
    assert_eq!(DiskSize::parse("1001GiB").unwrap_err(), "too large: at most 1000GiB");
    assert!(DiskSize::parse("off").unwrap_err().starts_with("not a size"));
}

#[test]
fn a_directory_is_looked_at_as_it_is_or_will_be() {
    let directory = tempfile::tempdir().unwrap();
    let empty = Volume::of(directory.path()).unwrap();
    assert!(empty.capacity >= empty.free && empty.capacity > 0);
    assert_eq!(empty.own, 0);
    let absent = Volume::of(&directory.path().join("is/not/yet")).unwrap();
    assert_eq!((absent.capacity, absent.own), (empty.capacity, 0));
    assert!(!directory.path().join("is").exists());
    assert!(Volume::of(Path::new("not-yet")).unwrap().capacity > 0);

    for (name, bytes) in
        [("foyer-storage-direct-fs-00000000", 8192), ("journal", 4096), ("journal.new", 4096)]
    {
        fs::write(directory.path().join(name), vec![1; bytes]).unwrap();
    }
    fs::write(directory.path().join("somebody's"), vec![1; 4096]).unwrap();
    fs::create_dir(directory.path().join("journals")).unwrap();
    // A file that is all hole takes nothing, whatever its length.
    fs::File::create(directory.path().join("journal.hole")).unwrap().set_len(GIB).unwrap();
    // Blocks are set aside when the file system writes them, and some of it is its own.
    for file in ["foyer-storage-direct-fs-00000000", "journal", "journal.new"] {
        fs::File::open(directory.path().join(file)).unwrap().sync_all().unwrap();
    }
    let own = Volume::of(directory.path()).unwrap().own;
    assert!((16_384..MIB).contains(&own), "{own}");

    let file = directory.path().join("journal");
    let why = disk_room(&file, DiskSize::Auto, None).unwrap_err();
    assert_eq!(
        why,
        format!(
            "disk {file:?}: the volume cannot be looked at: Not a directory (os error 20); correct the path or its \
             permissions"
        )
    );
}
