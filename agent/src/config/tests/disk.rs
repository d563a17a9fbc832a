//! Tests of the settings of the disk tier.

use super::*;

#[test]
fn the_settings_of_the_disk_are_taken() {
    let world = World::new();
    let keys = world.write("keys", "1:AAAA\n");
    let disk = world.root.path().join("disk");
    let args = [
        "--disk",
        disk.to_str().unwrap(),
        "--disk-size=100MiB",
        "--volume-limit=100MiB",
        "--disk-write-rate=20mb",
        "--disk-min-ttl=0",
        "--disk-timeout=1ms",
        "--seal",
        "off",
        "--at-rest-key",
        &keys,
    ];
    assert_eq!(world.load(&args, &[]).unwrap().warnings, [""; 0]);
    let config = world.config(&args, &[]);
    assert_eq!(config.disk.as_ref(), Some(&disk));
    assert_eq!((config.disk_size, config.volume_limit), (DiskSize::Bytes(100 << 20), Some(100 << 20)));
    assert_eq!((config.disk_write_rate, config.disk_min_ttl_ms, config.disk_timeout_ms), (20 << 20, 0, 1));
    assert!(!config.seal);
    assert_eq!(config.at_rest_key.as_deref(), Some(Path::new(&keys)));
    assert!(!disk.exists(), "it is made by who uses it");

    let file = world.write("larder.yaml", &world.print(&args, &[]));
    let (again, by_flag) = (world.config(&["--config", &file], &[]), &config);
    assert_eq!((&again.disk, again.disk_size, again.seal), (&by_flag.disk, by_flag.disk_size, by_flag.seal));
    let off = ["--disk=off", "--volume-limit=off", "--at-rest-key=off", "--disk-size=auto", "--seal=true"];
    let config = world.config(&[&["--config", &file][..], &off].concat(), &[]);
    assert_eq!((config.disk, config.volume_limit, config.at_rest_key), (None, None, None));
    assert_eq!((config.disk_size, config.seal), (DiskSize::Auto, true));
}

#[test]
fn what_the_disk_cannot_be_says_what_it_can() {
    let world = World::new();
    for (flag, why) in [
        ("--disk-size=4095KiB", "too small: at least 4MiB"),
        ("--disk-size=1001GiB", "too large: at most 1000GiB"),
        ("--volume-limit=1", "too small: at least 4MiB"),
        ("--disk-write-rate=-1", "negative: it must be zero or more"),
        ("--disk-timeout=0", "too short: at least 1ms"),
        ("--disk-min-ttl=5", "a duration without its unit: write 5s or 5ms"),
        ("--seal=maybe", "neither on nor off: write one of them"),
    ] {
        let (name, value) = flag.split_once('=').unwrap();
        assert_eq!(world.wrong(&[flag], &[]), format!("{name}: {value:?}: {why}"));
    }
    assert_eq!(
        world.wrong(&["--disk=/d", "--disk-size=2GiB", "--volume-limit=1GiB"], &[]),
        "disk-size 2 GiB is more than volume-limit 1 GiB: a pod is evicted when its volume holds more; set --disk-size to \
         auto, lower it, or raise --volume-limit"
    );
    let file = world.write("larder.yaml", "seal: 1\n");
    assert!(world.wrong(&["--config", &file], &[]).ends_with("this is a whole number: write on or off"));
}

#[test]
fn the_file_takes_every_word_for_on_and_off() {
    let world = World::new();
    for (word, on) in [("on", true), ("off", false), ("true", true), ("false", false), ("\"off\"", false)] {
        let file = world.write("larder.yaml", &format!("seal: {word}\n"));
        assert_eq!(world.config(&["--config", &file], &[]).seal, on, "{word}");
    }
}

#[test]
fn without_a_disk_its_settings_are_warned_of() {
    let world = World::new();
    let given = [
        "--disk-size=64MiB",
        "--volume-limit=1GiB",
        "--disk-write-rate=1MiB",
        "--disk-min-ttl=2s",
        "--disk-timeout=1s",
        "--seal=off",
        "--at-rest-key=/nowhere/keys",
    ];
    let warnings = world.load(&given, &[]).unwrap().warnings;
    let expected = given.map(|flag| {
        let name = flag[2..].split_once('=').unwrap().0;
        format!("{name} has no effect without disk: give --disk DIR, or drop --{name}")
    });
    assert_eq!(warnings, expected);
    // A template that writes out what holds anyway is no mistake.
    let defaults =
        ["--disk=off", "--disk-size=auto", "--disk-min-ttl=1s", "--seal=on", "--disk-write-rate=0"];
    assert_eq!(world.load(&defaults, &[]).unwrap().warnings, [""; 0]);
}

#[test]
fn keys_that_cannot_be_read_name_the_file_and_who_set_it() {
    let world = World::new();
    let env = [("LARDER_AT_REST_KEY", "/nowhere/keys")];
    assert_eq!(
        world.wrong(&["--disk=/d", "--check-config"], &env),
        "at-rest-key file \"/nowhere/keys\" (environment LARDER_AT_REST_KEY): cannot be read: No such file or directory (os \
         error 2); correct the path or the file's permissions"
    );
    // A probe has no use for them.
    assert!(world.load(&["ping", "--disk=/d"], &env).is_ok());
}

#[test]
fn keys_that_were_read_may_go_while_others_are_named() {
    let world = World::new();
    let (old, new) = (world.write("old", "1:AAAA\n"), world.write("new", "2:BBBB\n"));
    let file = world.write("larder.yaml", &format!("disk: /d\nat_rest_key: {old}\n"));
    let args = ["--config", file.as_str()];
    let config = world.config(&args, &[]);
    world.write("larder.yaml", &format!("disk: /d\nat_rest_key: {new}\nmax_clients: 5\n"));
    fs::remove_file(&old).unwrap();
    let (live, need_restart) = config.reload_under(world.root.path(), os_args(&args), os_env(&[])).unwrap();
    assert_eq!((live.max_clients, live.at_rest_key), (5, Some(PathBuf::from(&old))));
    assert_eq!(need_restart, ["at-rest-key"]);
}

#[test]
fn near_misses_of_the_disks_names_are_understood() {
    let world = World::new();
    let file = world.write("larder.yaml", "disk_siez: 64MiB\n");
    assert!(world.wrong(&["--config", &file], &[]).contains("did you mean `disk_size`?"));
    let warnings = world.load(&[], &[("LARDER_VOLUMELIMIT", "1GiB")]).unwrap().warnings;
    assert!(warnings[0].ends_with("did you mean LARDER_VOLUME_LIMIT?"), "{warnings:?}");
}
