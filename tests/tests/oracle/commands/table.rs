//! The commands that write, each with what it is done to and what may be there afterwards.

/// A command and what surrounds it. `@` stands for a prefix of the case's own.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) database: u32,
    /// What lies in the tier when the command comes.
    pub(super) before: &'static [&'static str],
    /// The command, last; what comes before it happens then, too.
    pub(super) command: &'static [&'static str],
    /// What is done after the restart.
    pub(super) after: &'static [&'static str],
    /// Keys and what they may hold then, beside nothing.
    pub(super) expected: &'static [(&'static str, &'static [&'static str])],
}

type Lines = &'static [&'static str];
type Expected = &'static [(&'static str, Lines)];

const fn case(before: Lines, command: Lines, expected: Expected) -> Case {
    Case { database: 0, before, command, after: &[], expected }
}

const OLD: Lines = &["SET @k old"];
const TWO: Lines = &["SET @k old", "SET @s new"];
const NUMBER: Lines = &["SET @k 50"];
const NOTHING: Expected = &[("@k", &[])];
const NEW: Expected = &[("@k", &["new"])];

/// Those that touch no keys but their own. Where a command changes a value, it may have found nothing to change.
#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    case(OLD, &["APPEND @k more"], &[("@k", &["oldmore", "more"])]),
    case(OLD, &["BITFIELD @k SET u8 0 65"], &[("@k", &["Ald", "A"])]),
    case(TWO, &["BITOP OR @k @s"], NEW),
    case(TWO, &["COPY @s @k REPLACE"], &[("@k", &["new"]), ("@s", &["new"])]),
    case(NUMBER, &["DECR @k"], &[("@k", &["49", "-1"])]),
    case(NUMBER, &["DECRBY @k 7"], &[("@k", &["43", "-7"])]),
    case(OLD, &["DEL @k"], NOTHING),
    case(&["MSET @k old @s old"], &["DEL @k @s"], &[("@k", &[]), ("@s", &[])]),
    case(OLD, &["EXPIRE @k 1"], NOTHING),
    case(OLD, &["EXPIREAT @k 1"], NOTHING),
    case(OLD, &["GETDEL @k"], NOTHING),
    case(OLD, &["GETEX @k PX 300"], NOTHING),
    case(OLD, &["GETSET @k new"], NEW),
    case(NUMBER, &["INCR @k"], &[("@k", &["51", "1"])]),
    case(NUMBER, &["INCRBY @k 7"], &[("@k", &["57", "7"])]),
    case(NUMBER, &["INCRBYFLOAT @k 0.5"], &[("@k", &["50.5", "0.5"])]),
    case(OLD, &["LARDER.PURGE KEY @k"], NOTHING),
    case(OLD, &["LARDER.PURGE PREFIX @"], NOTHING),
    case(&["LARDER.SET @k old TAGS 1 @t"], &["LARDER.PURGE TAG @t"], NOTHING),
    case(OLD, &["LARDER.SET @k new TAGS 1 @t"], NEW),
    case(OLD, &["LARDER.SET @k new PX 300 TAGS 1 @t"], NOTHING),
    Case { after: &["LARDER.PURGE TAG @t"], ..case(OLD, &["LARDER.SET @k new TAGS 1 @t"], NOTHING) },
    Case { after: &["LARDER.PURGE TAG @t"], ..case(OLD, &["LARDER.TAG @k @t"], NOTHING) },
    case(OLD, &["LARDER.TAG @k @t", "LARDER.PURGE TAG @t"], NOTHING),
    Case { after: &["LARDER.PURGE TAG @t"],
        ..case(&["LARDER.SET @s old TAGS 1 @t"], &["RENAME @s @k"], &[("@k", &[]), ("@s", &[])]) },
    case(TWO, &["MSET @k new @s newer"], &[("@k", &["new"]), ("@s", &["newer"])]),
    case(OLD, &["DEL @k", "MSETNX @k new"], NEW),
    case(&["SET @k old PX 100000"], &["PERSIST @k"], &[("@k", &["old"])]),
    case(OLD, &["PEXPIRE @k 300"], NOTHING),
    case(&["SET @k old PX 100000"], &["PEXPIRE @k 300 LT"], NOTHING),
    case(OLD, &["PEXPIREAT @k 1"], NOTHING),
    case(OLD, &["PSETEX @k 300 new"], NOTHING),
    case(TWO, &["RENAME @s @k"], &[("@k", &["new"]), ("@s", &[])]),
    case(TWO, &["DEL @k", "RENAMENX @s @k"], &[("@k", &["new"]), ("@s", &[])]),
    case(OLD, &["SET @k new"], NEW),
    case(OLD, &["SET @k new XX"], NEW),
    case(OLD, &["SET @k new GET"], NEW),
    case(OLD, &["SET @k new PX 300"], NOTHING),
    case(OLD, &["DEL @k", "SET @k new NX"], NEW),
    case(&["SET @k old"], &["PEXPIRE @k 300", "SET @k new KEEPTTL"], NOTHING),
    case(OLD, &["SETBIT @k 7 0"], &[("@k", &["nld", "\0"])]),
    case(OLD, &["SETEX @k 1 new"], NOTHING),
    case(OLD, &["DEL @k", "SETNX @k new"], NEW),
    case(OLD, &["SETRANGE @k 0 NEW"], &[("@k", &["NEW"])]),
    case(OLD, &["UNLINK @k"], NOTHING),
    Case { database: 10, ..case(OLD, &["FLUSHDB"], NOTHING) },
    Case { database: 11,
        ..case(&["SET @k one", "SET @s only", "SELECT 12", "SET @k two"], &["SWAPDB 11 12"],
            &[("@k", &["two"]), ("@s", &[])]) },
    case(OLD, &["MULTI", "SET @k new", "DEL @k", "EXEC", "UNLINK @k @none", "SET @k new"], NEW),
];

/// Those that leave nothing of what others keep.
pub(super) const WHOLE: &[Case] = &[
    case(OLD, &["FLUSHALL"], NOTHING),
    Case { database: 13, ..case(OLD, &["FLUSHALL"], NOTHING) },
    case(OLD, &["LARDER.PURGE ALL"], NOTHING),
    Case { database: 13, ..case(OLD, &["SELECT 0", "LARDER.PURGE ALL"], NOTHING) },
];
