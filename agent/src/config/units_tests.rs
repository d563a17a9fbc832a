//! Tests of `units`.

use super::*;

const ANY: RangeInclusive<u64> = 0..=u64::MAX;

#[test]
fn sizes() {
    for (text, bytes) in [
        ("0", 0),
        ("67108864", 67_108_864),
        ("64MiB", 64 << 20),
        ("64mib", 64 << 20),
        ("64Mi", 64 << 20),
        ("64mb", 64 << 20),
        ("64MB", 64 << 20),
        ("64 MiB", 64 << 20),
        ("64M", 64_000_000),
        ("1GiB", 1 << 30),
        ("2Gi", 2 << 30),
        ("2g", 2_000_000_000),
        ("512k", 512_000),
        ("512KiB", 512 << 10),
        ("7b", 7),
        ("007", 7),
    ] {
        assert_eq!(size(text, ANY), Ok(bytes), "{text}");
    }
}

#[test]
fn sizes_that_are_none_say_why() {
    let range = 8 << 20..=1 << 40;
    for (text, why) in [
        ("", "not a size: write a whole number with a unit, such as 64MiB or 1GiB, or a number of bytes"),
        ("big", "not a size: write"),
        ("+64MiB", "not a size: write"),
        ("1.5GiB", "not a size: write"),
        ("0x400000", "not a size, there is no unit \"x400000\": write"),
        ("64TB", "not a size, there is no unit \"tb\": write"),
        ("64MiB!", "there is no unit \"mib!\""),
        ("-1", "negative: it must be zero or more"),
        ("-64MiB", "negative"),
        ("8388607", "too small: at least 8MiB"),
        ("1025GiB", "too large: at most 1024GiB"),
        ("18446744073709551616", "too large: at most 1024GiB"),
        ("18446744073709551615GiB", "too large: at most 1024GiB"),
    ] {
        let error = size(text, range.clone()).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
    assert_eq!(size("8388608", range.clone()), Ok(8 << 20));
    assert_eq!(size("1024GiB", range), Ok(1 << 40));
}

#[test]
fn durations() {
    for (text, ms) in [
        ("0", 0),
        ("0s", 0),
        ("500ms", 500),
        ("20s", 20_000),
        ("2m", 120_000),
        ("2 m", 120_000),
        ("1h", 3_600_000),
        ("8760h", 31_536_000_000),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
    }
    for (text, why) in [
        ("20", "a duration without its unit: write 20s or 20ms"),
        ("soon", "not a duration: write a whole number with a unit, such as 500ms, 20s or 2m"),
        ("1.5s", "not a duration: write"),
        ("2d", "there is no unit \"d\": write ms, s, m or h"),
        ("1m30s", "there is no unit \"m30s\""),
        ("-1s", "negative"),
        ("8761h", "too long: at most 8760h"),
        ("18446744073709551616s", "too long"),
        ("18446744073709551615h", "too long"),
    ] {
        let error = duration(text).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn octal_modes() {
    for (text, mode) in [("0660", 0o660), ("660", 0o660), ("0o600", 0o600), ("0", 0), ("777", 0o777)] {
        assert_eq!(octal(text, 0o777), Ok(mode), "{text}");
    }
    for text in ["", "0o", "rw-rw----", "0680", "1777", "-660", "+660", "0x1b0", "77777777777777"] {
        let error = octal(text, 0o777).expect_err(text);
        assert_eq!(
            error, "not a mode: write permission bits in octal, from 0 to 0777, such as 0660",
            "{text}"
        );
    }
}

#[test]
fn numbers_keep_to_their_range() {
    assert_eq!(number("16", 1..=1024_u16), Ok(16));
    for text in ["0", "1025", "-1", "1e3", "99999999999", "", "ten"] {
        assert_eq!(
            number(text, 1..=1024_u16),
            Err("write a whole number from 1 to 1024".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn addresses() {
    assert_eq!(address("off"), Ok(None));
    for (text, meant) in [
        ("127.0.0.1:6379", "127.0.0.1:6379"),
        ("[::1]:6379", "[::1]:6379"),
        ("0.0.0.0:0", "0.0.0.0:0"),
        ("localhost:6379", "127.0.0.1:6379"),
    ] {
        assert_eq!(address(text), Ok(Some(meant.parse().unwrap())), "{text}");
    }
    for text in ["6379", ":6379", "127.0.0.1", "127.0.0.1:70000", "localhost:x", "example.org:80", "::1:6379"]
    {
        assert!(address(text).expect_err(text).starts_with("not an address: write"), "{text}");
    }
}

#[test]
fn lists() {
    assert_eq!(list("1001, 1000,1001"), Ok(vec![1000, 1001]));
    assert_eq!(list("0"), Ok(vec![0]));
    assert_eq!(list("off"), Ok(Vec::new()));
    for text in ["root", "1000,", ",", "-1", "4294967295", "4294967296"] {
        assert!(list(text).expect_err(text).starts_with("not a list of user ids: write"), "{text}");
    }
}

#[test]
fn switches() {
    for text in ["true", "TRUE", "yes", "on", "1"] {
        assert_eq!(switch(text), Ok(true), "{text}");
    }
    for text in ["false", "no", "off", "0"] {
        assert_eq!(switch(text), Ok(false), "{text}");
    }
    assert_eq!(switch("maybe"), Err("write true or false".to_owned()));
}

#[test]
fn what_is_written_exactly_is_read_back() {
    for bytes in [0, 1, 1023, 1024, 8 << 20, (8 << 20) + 1, 429_496_729, 3 << 30, u64::MAX] {
        assert_eq!(size(&exact_size(bytes), ANY), Ok(bytes), "{bytes}");
    }
    assert_eq!(exact_size(64 << 20), "64MiB");
    for ms in [0, 1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000, 31_536_000_000] {
        let time = Duration::from_millis(ms);
        assert_eq!(duration(&exact_duration(time)), Ok(time), "{ms}");
    }
    assert_eq!(exact_duration(Duration::from_secs(120)), "2m");
}

#[test]
fn sizes_for_people_round_down() {
    assert_eq!(approx_size(100), "100 bytes");
    assert_eq!(approx_size(512 << 20), "512 MiB");
    assert_eq!(approx_size(429_496_729), "409.5 MiB");
    assert_eq!(approx_size((2 << 30) - 1), "1.9 GiB");
    assert_eq!(approx_size(u64::MAX), "17179869183.9 GiB");
}
