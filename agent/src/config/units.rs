//! Reading and writing the values of settings: sizes, durations, octal modes, numbers, addresses, lists.
//!
//! A reader's error says what is wrong and what to write; the caller puts the place and the value before it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Units of size, longest first where `exact_size` chooses. As in redis.conf `64mb` is 64 * 2^20 and `64m` 64
/// * 10^6; as in Kubernetes `64Mi` is 64 * 2^20.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1 << 10),
    ("ki", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1 << 20),
    ("mi", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1 << 30),
    ("gi", 1 << 30),
    ("gib", 1 << 30),
];

/// A size in bytes, within `range`: `64MiB`, `64Mi`, `64mb`, `1GiB`, `67108864`.
pub(super) fn size(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    const WRITE: &str = "write a whole number with a unit, such as 64MiB or 1GiB, or a number of bytes";
    let Some((digits, unit)) = number_and_unit(text)? else {
        return Err(format!("not a size: {WRITE}"));
    };
    let unit = unit.to_ascii_lowercase();
    let Some((_, factor)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("not a size, there is no unit {unit:?}: {WRITE}"));
    };
    // A number that overflows is a number too large for any range.
    let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)).unwrap_or(u64::MAX);
    if bytes < *range.start() {
        Err(format!("too small: at least {}", exact_size(*range.start())))
    } else if bytes > *range.end() {
        Err(format!("too large: at most {}", exact_size(*range.end())))
    } else {
        Ok(bytes)
    }
}

/// A duration: `500ms`, `20s`, `2m`, `1h`, `0`; at most 365 days.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_hours(365 * 24);
    let Some((digits, unit)) = number_and_unit(text)? else {
        return Err("not a duration: write a whole number with a unit, such as 500ms, 20s or 2m".to_owned());
    };
    let number = digits.parse::<u64>().unwrap_or(u64::MAX);
    let factor_ms = match unit.to_ascii_lowercase().as_str() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if number == 0 => 1,
        "" => return Err(format!("a duration without its unit: write {digits}s or {digits}ms")),
        unit => {
            return Err(format!("not a duration, there is no unit {unit:?}: write ms, s, m or h, as in 20s"));
        }
    };
    let time = Duration::from_millis(number.saturating_mul(factor_ms));
    if time > LONGEST { Err("too long: at most 8760h, a year".to_owned()) } else { Ok(time) }
}

/// Splits `64MiB` or `64 MiB` in digits and unit; `None` if it does not begin with a digit or goes on as a
/// fraction.
fn number_and_unit(text: &str) -> Result<Option<(&str, &str)>, String> {
    if let Some(rest) = text.strip_prefix('-')
        && rest.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("negative: it must be zero or more".to_owned());
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Ok((end > 0 && !unit.starts_with(['.', ','])).then(|| (digits, unit.trim_start())))
}

/// Permission bits in octal, `0660`, `660` or `0o660`, at most `most`.
pub(super) fn octal(text: &str, most: u32) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    // from_str_radix would take a sign.
    let mode = Some(digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    mode.and_then(|digits| u32::from_str_radix(digits, 8).ok()).filter(|mode| *mode <= most).ok_or_else(
        || format!("not a mode: write permission bits in octal, from 0 to 0{most:o}, such as 0660"),
    )
}

/// A whole number within `range`.
pub(super) fn number<N: FromStr + PartialOrd + Display>(
    text: &str,
    range: RangeInclusive<N>,
) -> Result<N, String> {
    text.parse()
        .ok()
        .filter(|n| range.contains(n))
        .ok_or_else(|| format!("write a whole number from {} to {}", range.start(), range.end()))
}

/// A switch: `true` or `false`, or what people write in its place.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// What `read` makes of a text; `off` is `None`.
pub(super) fn unless_off<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if text == "off" { Ok(None) } else { read(text).map(Some) }
}

/// An address to listen on, `127.0.0.1:6379`, `[::1]:6379` or `localhost:6379`; `off` is `None`. Other names
/// are not looked up: what they stand for could change under a running agent.
pub(super) fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    if let Some(port) = text.strip_prefix("localhost:")
        && let Ok(port) = port.parse::<u16>()
    {
        return Ok(Some((Ipv4Addr::LOCALHOST, port).into()));
    }
    text.parse().map(Some).map_err(|_| {
        "not an address: write an IP address and a port, such as 127.0.0.1:6379 or [::1]:6379, or off"
            .to_owned()
    })
}

/// User ids separated by commas, sorted, each once; `off` is none.
pub(super) fn list(text: &str) -> Result<Vec<u32>, String> {
    if text == "off" {
        return Ok(Vec::new());
    }
    let ids: Result<BTreeSet<u32>, String> = text
        .split(',')
        .map(|id| {
            // -1 as u32 is the kernel's "no user".
            id.trim().parse().ok().filter(|id| *id != u32::MAX).ok_or_else(|| {
                "not a list of user ids: write numbers separated by commas, such as 1000,1001, or off"
                    .to_owned()
            })
        })
        .collect();
    ids.map(|ids| ids.into_iter().collect())
}

/// A path; only a NUL is impossible.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.contains('\0') {
        Err("a path cannot hold a NUL byte".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

/// A size that [`size`] reads back to the byte: `64MiB`, `67108865`.
pub(super) fn exact_size(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes != 0 && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

/// A size for people: `409.6 MiB`, `512 MiB`, `100 bytes`.
pub(super) fn approx_size(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor {
            // Tenths, rounded down: a limit is never said to be more than it is.
            let tenths = u128::from(bytes) * 10 / u128::from(factor);
            let (whole, tenth) = (tenths / 10, tenths % 10);
            return if tenth == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenth} {unit}") };
        }
    }
    format!("{bytes} bytes")
}

/// A duration that [`duration`] reads back: `500ms`, `20s`, `2m`, `1h`, `0`. Whole milliseconds, as it reads.
pub(super) fn exact_duration(time: Duration) -> String {
    let ms = time.as_millis();
    for (unit, factor) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms != 0 && ms.is_multiple_of(factor) {
            return format!("{}{unit}", ms / factor);
        }
    }
    if ms == 0 { "0".to_owned() } else { format!("{ms}ms") }
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;
