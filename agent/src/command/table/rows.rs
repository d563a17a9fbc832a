//! The rows, one a command. Summaries are our own words, versions are those of Redis.

use super::super::outcome::Call;
use super::super::outcome::Result;
use super::super::{
    bitfield, bits, client, command_info, config, connection, copy, counters, debug, delete, expire, flush,
    get, hello, info, keys, latency, memory, object, purge, ranges, server, set, slowlog, tags, transaction,
    ttl, why,
};
use super::{Command, Flags, KeySpec, NO_KEYS};

const NONE: Flags = Flags::NONE;
const W: Flags = Flags::WRITE;
const R: Flags = Flags::READONLY;
const O: Flags = Flags::DENYOOM;
const F: Flags = Flags::FAST;
const A: Flags = Flags::ADMIN;
const N: Flags = Flags::NO_AUTH;
const ALL: Flags = Flags::WHOLE;
const Q: Flags = Flags::NO_QUEUE;
const D: Flags = Flags::DEBUG;
const B: Flags = Flags::BLIND;
const P: Flags = Flags::PRESENCE;
const C: Flags = Flags::GOVERNS;

const ONE: KeySpec = KeySpec { first: 1, last: 1, step: 1 };
const TWO: KeySpec = KeySpec { first: 1, last: 2, step: 1 };
const SECOND: KeySpec = KeySpec { first: 2, last: 2, step: 1 };
const ALL_KEYS: KeySpec = KeySpec { first: 1, last: -1, step: 1 };
const AFTER_TWO: KeySpec = KeySpec { first: 2, last: -1, step: 1 };
const PAIRS: KeySpec = KeySpec { first: 1, last: -1, step: 2 };

struct Row(Flags, KeySpec, &'static str, &'static str, &'static str);

const fn row(
    name: &'static str,
    arity: i32,
    Row(flags, keys, group, since, summary): Row,
    run: for<'a, 's, 'c> fn(&mut Call<'a, 's, 'c>) -> Result,
) -> Command {
    Command { name, arity, flags, keys, group, since, summary, run, subcommands: &[] }
}

impl Command {
    const fn holding(self, subcommands: &'static [Command]) -> Self {
        Self { subcommands, ..self }
    }
}

/// Every command that is offered.
#[rustfmt::skip]
pub static COMMANDS: &[Command] = &[
    row("append", 3, Row(W.with(C).with(O).with(F), ONE, "string", "2.0.0", "Appends a string to the value of a key; creates the key if it doesn't exist."), ranges::append),
    row("auth", -2, Row(F.with(N), NO_KEYS, "connection", "1.0.0", "Authenticates the connection."), hello::auth),
    row("bitcount", -2, Row(R, ONE, "bitmap", "2.6.0", "Counts the set bits in a string."), bits::bitcount),
    row("bitfield", -2, Row(W.with(C).with(O), ONE, "bitmap", "3.2.0", "Reads and changes integers of any width inside a string."), bitfield::bitfield),
    row("bitfield_ro", -2, Row(R.with(F), ONE, "bitmap", "6.0.0", "Reads integers of any width inside a string."), bitfield::bitfield_ro),
    row("bitop", -4, Row(W.with(O), AFTER_TWO, "bitmap", "2.6.0", "Combines strings bit by bit and stores the result."), bits::bitop),
    row("bitpos", -3, Row(R, ONE, "bitmap", "2.8.7", "Finds the first set or clear bit in a string."), bits::bitpos),
    row("client", -2, Row(NONE, NO_KEYS, "connection", "2.4.0", "A container for connection commands."), client::container).holding(&[
        row("client|getname", 2, Row(NONE, NO_KEYS, "connection", "2.6.9", "Tells the connection's name."), client::getname),
        row("client|help", 2, Row(NONE, NO_KEYS, "connection", "5.0.0", "Tells about the subcommands."), client::help),
        row("client|id", 2, Row(NONE, NO_KEYS, "connection", "5.0.0", "Tells the connection's number, unique for the life of the server."), client::id),
        row("client|info", 2, Row(NONE, NO_KEYS, "connection", "6.2.0", "Tells about this connection."), client::info),
        row("client|kill", -3, Row(A, NO_KEYS, "connection", "2.4.0", "Closes connections."), client::kill),
        row("client|list", -2, Row(A, NO_KEYS, "connection", "2.4.0", "Lists the open connections."), client::list),
        row("client|no-evict", 3, Row(A, NO_KEYS, "connection", "7.0.0", "Asks that this connection be closed last when buffers run out."), client::no_evict),
        row("client|no-touch", 3, Row(NONE, NO_KEYS, "connection", "7.2.0", "Says whether this connection's reads count for eviction."), client::no_touch),
        row("client|pause", -3, Row(A, NO_KEYS, "connection", "3.0.0", "Suspends the commands of all connections for a while."), client::pause),
        row("client|reply", 3, Row(NONE, NO_KEYS, "connection", "3.2.0", "Says whether this connection wants replies."), client::reply),
        row("client|setinfo", 4, Row(NONE, NO_KEYS, "connection", "7.2.0", "Tells the client library's name and version."), client::setinfo),
        row("client|setname", 3, Row(NONE, NO_KEYS, "connection", "2.6.9", "Gives the connection a name."), client::setname),
        row("client|unblock", -3, Row(A, NO_KEYS, "connection", "5.0.0", "Unblocks a connection that waits in a blocking command; here none ever does."), client::unblock),
        row("client|unpause", 2, Row(A, NO_KEYS, "connection", "6.2.0", "Ends a pause."), client::unpause),
    ]),
    row("command", -1, Row(NONE, NO_KEYS, "server", "2.8.13", "Describes all commands."), command_info::command).holding(&[
        row("command|count", 2, Row(NONE, NO_KEYS, "server", "2.8.13", "Counts the commands."), command_info::count),
        row("command|docs", -2, Row(NONE, NO_KEYS, "server", "7.0.0", "Tells what commands are for."), command_info::docs),
        row("command|getkeys", -3, Row(NONE, NO_KEYS, "server", "2.8.13", "Finds the keys in a whole command."), command_info::getkeys),
        row("command|help", 2, Row(NONE, NO_KEYS, "server", "5.0.0", "Tells about the subcommands."), command_info::help),
        row("command|info", -2, Row(NONE, NO_KEYS, "server", "2.8.13", "Describes some commands, or all."), command_info::info),
        row("command|list", -2, Row(NONE, NO_KEYS, "server", "7.0.0", "Lists the names of the commands."), command_info::list),
    ]),
    row("config", -2, Row(NONE, NO_KEYS, "server", "2.0.0", "A container for settings."), config::container).holding(&[
        row("config|get", -3, Row(A, NO_KEYS, "server", "2.0.0", "Tells the values of settings."), config::get),
        row("config|help", 2, Row(NONE, NO_KEYS, "server", "5.0.0", "Tells about the subcommands."), config::help),
        row("config|resetstat", 2, Row(A.with(ALL), NO_KEYS, "server", "2.0.0", "Starts the statistics anew."), config::resetstat),
        row("config|set", -4, Row(A.with(ALL), NO_KEYS, "server", "2.0.0", "Changes settings until the next start."), config::set),
    ]),
    row("copy", -3, Row(W.with(O).with(ALL), TWO, "generic", "6.2.0", "Copies the value of a key to another key."), copy::copy),
    row("dbsize", 1, Row(R.with(F).with(ALL), NO_KEYS, "server", "1.0.0", "Counts the keys of the database."), keys::dbsize),
    row("debug", -2, Row(A.with(D), NO_KEYS, "server", "1.0.0", "A container for debugging commands."), debug::container).holding(&[
        row("debug|demote", 2, Row(A.with(D), NO_KEYS, "server", "0.1.0", "Moves what lies in memory to disk, as far as it is taken at once."), debug::demote),
        row("debug|sleep", 3, Row(A.with(D), NO_KEYS, "server", "1.0.0", "Keeps this connection waiting for some seconds."), debug::sleep),
    ]),
    row("decr", 2, Row(W.with(C).with(O).with(F), ONE, "string", "1.0.0", "Takes one from the integer value of a key."), counters::decr),
    row("decrby", 3, Row(W.with(C).with(O).with(F), ONE, "string", "1.0.0", "Takes a number from the integer value of a key."), counters::decrby),
    row("del", -2, Row(W.with(P), ALL_KEYS, "generic", "1.0.0", "Deletes keys."), delete::del),
    row("discard", 1, Row(F.with(Q), NO_KEYS, "transactions", "2.0.0", "Discards a transaction."), transaction::discard),
    row("echo", 2, Row(F, NO_KEYS, "connection", "1.0.0", "Returns the given string."), connection::echo),
    row("exec", 1, Row(Q, NO_KEYS, "transactions", "1.2.0", "Executes all commands of a transaction."), transaction::exec),
    row("exists", -2, Row(R.with(F), ALL_KEYS, "generic", "1.0.0", "Counts how many of the keys exist."), keys::exists),
    row("expire", -3, Row(W.with(F), ONE, "generic", "1.0.0", "Sets the time to live of a key in seconds."), expire::expire),
    row("expireat", -3, Row(W.with(F), ONE, "generic", "1.2.0", "Sets the time at which a key expires, in Unix seconds."), expire::expireat),
    row("expiretime", 2, Row(R.with(F), ONE, "generic", "7.0.0", "Tells when a key expires, in Unix seconds."), ttl::expiretime),
    row("flushall", -1, Row(W.with(B).with(ALL), NO_KEYS, "server", "1.0.0", "Empties all databases."), flush::flushall),
    row("flushdb", -1, Row(W.with(B).with(ALL), NO_KEYS, "server", "1.0.0", "Empties the selected database."), flush::flushdb),
    row("get", 2, Row(R.with(F), ONE, "string", "1.0.0", "Returns the value of a key."), get::get),
    row("getbit", 3, Row(R.with(F), ONE, "bitmap", "2.2.0", "Tells one bit of a string."), bits::getbit),
    row("getdel", 2, Row(W.with(F), ONE, "string", "6.2.0", "Returns the value of a key and deletes it."), get::getdel),
    row("getex", -2, Row(W.with(F), ONE, "string", "6.2.0", "Returns the value of a key and sets its time to live."), get::getex),
    row("getrange", 4, Row(R, ONE, "string", "2.4.0", "Returns part of a string."), ranges::getrange),
    row("getset", 3, Row(W.with(O).with(F), ONE, "string", "1.0.0", "Returns the value of a key and sets another."), set::getset),
    row("hello", -1, Row(F.with(N), NO_KEYS, "connection", "6.0.0", "Chooses the protocol version and introduces both sides."), hello::hello),
    row("incr", 2, Row(W.with(C).with(O).with(F), ONE, "string", "1.0.0", "Adds one to the integer value of a key."), counters::incr),
    row("incrby", 3, Row(W.with(C).with(O).with(F), ONE, "string", "1.0.0", "Adds a number to the integer value of a key."), counters::incrby),
    row("incrbyfloat", 3, Row(W.with(C).with(O).with(F), ONE, "string", "2.6.0", "Adds a number to the floating-point value of a key."), counters::incrbyfloat),
    row("info", -1, Row(ALL, NO_KEYS, "server", "1.0.0", "Tells about the server, for people and tools."), info::info),
    row("keys", 2, Row(R, NO_KEYS, "generic", "1.0.0", "Returns all key names that match a pattern."), keys::keys),
    row("larder.info", 1, Row(ALL, NO_KEYS, "larder", "0.1.0", "Tells about the cache itself, as a map."), why::info),
    row("larder.purge", -2, Row(W.with(B).with(ALL), NO_KEYS, "larder", "0.1.0", "Invalidates keys, tags or prefixes of the selected database, or everything: KEY key [key ...], TAG tag [tag ...], PREFIX prefix [prefix ...], ALL."), purge::purge),
    row("larder.set", -3, Row(W.with(B).with(O), ONE, "larder", "0.1.0", "Sets a value with tags: the options of SET, then TAGS number tag [tag ...]."), tags::set),
    row("larder.tag", -3, Row(W.with(O), ONE, "larder", "0.1.0", "Adds tags to the entry of a key."), tags::tag),
    row("larder.tags", 2, Row(R, ONE, "larder", "0.1.0", "Tells the tags of the entry of a key."), tags::tags),
    row("larder.why", 2, Row(R, ONE, "larder", "0.1.0", "Tells what is known of a key: its entry, or why there is none."), why::why),
    row("lastsave", 1, Row(F, NO_KEYS, "server", "1.0.0", "Tells when data was last saved: when the server started."), server::lastsave),
    row("latency", -2, Row(NONE, NO_KEYS, "server", "2.8.13", "A container for latency diagnostics."), latency::container).holding(&[
        row("latency|doctor", 2, Row(A, NO_KEYS, "server", "2.8.13", "Tells about latency in words."), latency::doctor),
        row("latency|graph", 3, Row(A, NO_KEYS, "server", "2.8.13", "Draws the latency of an event."), latency::graph),
        row("latency|help", 2, Row(NONE, NO_KEYS, "server", "2.8.13", "Tells about the subcommands."), latency::help),
        row("latency|histogram", -2, Row(A, NO_KEYS, "server", "7.0.0", "Tells how long commands took."), latency::histogram),
        row("latency|history", 3, Row(A, NO_KEYS, "server", "2.8.13", "Tells the latency of an event over time."), latency::history),
        row("latency|latest", 2, Row(A, NO_KEYS, "server", "2.8.13", "Tells the latest latency of all events."), latency::latest),
        row("latency|reset", -2, Row(A, NO_KEYS, "server", "2.8.13", "Forgets latency events."), latency::reset),
    ]),
    row("memory", -2, Row(NONE, NO_KEYS, "server", "4.0.0", "A container for memory diagnostics."), memory::container).holding(&[
        row("memory|doctor", 2, Row(NONE, NO_KEYS, "server", "4.0.0", "Tells about memory in words."), memory::doctor),
        row("memory|help", 2, Row(NONE, NO_KEYS, "server", "4.0.0", "Tells about the subcommands."), memory::help),
        row("memory|purge", 2, Row(NONE, NO_KEYS, "server", "4.0.0", "Returns unused memory to the system."), memory::purge),
        row("memory|stats", 2, Row(ALL, NO_KEYS, "server", "4.0.0", "Tells what memory is used for."), memory::stats),
        row("memory|usage", -3, Row(R, SECOND, "server", "4.0.0", "Tells how many bytes a key takes."), memory::usage),
    ]),
    row("mget", -2, Row(R.with(F), ALL_KEYS, "string", "1.0.0", "Returns the values of keys."), get::mget),
    row("module", -2, Row(NONE, NO_KEYS, "server", "4.0.0", "A container for module commands; there are no modules."), server::module).holding(&[
        row("module|help", 2, Row(NONE, NO_KEYS, "server", "5.0.0", "Tells about the subcommands."), server::module_help),
        row("module|list", 2, Row(A, NO_KEYS, "server", "4.0.0", "Lists the loaded modules: none."), server::module_list),
    ]),
    row("mset", -3, Row(W.with(B).with(O), PAIRS, "string", "1.0.1", "Sets the values of keys at once."), set::mset),
    row("msetnx", -3, Row(W.with(P).with(O), PAIRS, "string", "1.0.1", "Sets the values of keys, if none of them exists."), set::msetnx),
    row("multi", 1, Row(F.with(Q), NO_KEYS, "transactions", "1.2.0", "Begins a transaction."), transaction::multi),
    row("object", -2, Row(NONE, NO_KEYS, "generic", "2.2.3", "A container for looking at values."), object::container).holding(&[
        row("object|encoding", 3, Row(R, SECOND, "generic", "2.2.3", "Tells how a value is kept."), object::encoding),
        row("object|freq", 3, Row(R, SECOND, "generic", "4.0.0", "Tells how often a value is read, under an LFU policy."), object::freq),
        row("object|help", 2, Row(NONE, NO_KEYS, "generic", "6.2.0", "Tells about the subcommands."), object::help),
        row("object|idletime", 3, Row(R, SECOND, "generic", "2.2.3", "Tells about how long a value was not read."), object::idletime),
        row("object|refcount", 3, Row(R, SECOND, "generic", "2.2.3", "Tells how many share a value: one."), object::refcount),
    ]),
    row("persist", 2, Row(W.with(F), ONE, "generic", "2.2.0", "Takes the time to live from a key."), expire::persist),
    row("pexpire", -3, Row(W.with(F), ONE, "generic", "2.6.0", "Sets the time to live of a key in milliseconds."), expire::pexpire),
    row("pexpireat", -3, Row(W.with(F), ONE, "generic", "2.6.0", "Sets the time at which a key expires, in Unix milliseconds."), expire::pexpireat),
    row("pexpiretime", 2, Row(R.with(F), ONE, "generic", "7.0.0", "Tells when a key expires, in Unix milliseconds."), ttl::pexpiretime),
    row("ping", -1, Row(F, NO_KEYS, "connection", "1.0.0", "Answers PONG, or what it is given."), connection::ping),
    row("psetex", 4, Row(W.with(B).with(O), ONE, "string", "2.6.0", "Sets a value and its time to live in milliseconds."), set::psetex),
    row("pttl", 2, Row(R.with(F), ONE, "generic", "2.6.0", "Tells the time to live of a key in milliseconds."), ttl::pttl),
    row("quit", -1, Row(F.with(N).with(Q), NO_KEYS, "connection", "1.0.0", "Closes the connection."), connection::quit),
    row("randomkey", 1, Row(R.with(ALL), NO_KEYS, "generic", "1.0.0", "Returns a key at random."), keys::randomkey),
    row("rename", 3, Row(W, TWO, "generic", "1.0.0", "Gives a key another name, over whatever has it."), copy::rename),
    row("renamenx", 3, Row(W.with(F), TWO, "generic", "1.0.0", "Gives a key another name, if nothing has it."), copy::renamenx),
    row("reset", 1, Row(F.with(N).with(Q), NO_KEYS, "connection", "6.2.0", "Puts the connection back to how it began."), connection::reset),
    row("role", 1, Row(F, NO_KEYS, "server", "2.8.12", "Tells the replication role: master, of nobody."), server::role),
    row("scan", -2, Row(R, NO_KEYS, "generic", "2.8.0", "Goes through the key names of the database, bit by bit."), keys::scan),
    row("select", 2, Row(F, NO_KEYS, "connection", "1.0.0", "Selects a database."), connection::select),
    row("set", -3, Row(W.with(B).with(O), ONE, "string", "1.0.0", "Sets the value of a key."), set::set),
    row("setbit", 4, Row(W.with(C).with(O), ONE, "bitmap", "2.2.0", "Sets or clears one bit of a string."), bits::setbit),
    row("setex", 4, Row(W.with(B).with(O), ONE, "string", "2.0.0", "Sets a value and its time to live in seconds."), set::setex),
    row("setnx", 3, Row(W.with(P).with(O).with(F), ONE, "string", "1.0.0", "Sets the value of a key, if it does not exist."), set::setnx),
    row("setrange", 4, Row(W.with(C).with(O), ONE, "string", "2.2.0", "Overwrites part of a string, lengthening it if need be."), ranges::setrange),
    row("shutdown", -1, Row(A.with(D), NO_KEYS, "server", "1.0.0", "Stops the server."), debug::shutdown),
    row("slowlog", -2, Row(NONE, NO_KEYS, "server", "2.2.12", "A container for the log of slow commands."), slowlog::container).holding(&[
        row("slowlog|get", -2, Row(A, NO_KEYS, "server", "2.2.12", "Returns the latest slow commands, without their values."), slowlog::get),
        row("slowlog|help", 2, Row(NONE, NO_KEYS, "server", "6.2.0", "Tells about the subcommands."), slowlog::help),
        row("slowlog|len", 2, Row(A, NO_KEYS, "server", "2.2.12", "Counts the entries of the slow log."), slowlog::len),
        row("slowlog|reset", 2, Row(A, NO_KEYS, "server", "2.2.12", "Empties the slow log."), slowlog::reset),
    ]),
    row("strlen", 2, Row(R.with(F), ONE, "string", "2.2.0", "Tells the length of a string."), ranges::strlen),
    row("substr", 4, Row(R, ONE, "string", "1.0.0", "Returns part of a string; an old name of GETRANGE."), ranges::getrange),
    row("swapdb", 3, Row(W.with(B).with(F).with(ALL), NO_KEYS, "server", "4.0.0", "Exchanges two databases."), flush::swapdb),
    row("time", 1, Row(F, NO_KEYS, "server", "2.6.0", "Tells the server's time."), server::time),
    row("touch", -2, Row(R.with(F), ALL_KEYS, "generic", "3.2.1", "Counts keys that exist and marks them as read."), keys::touch),
    row("ttl", 2, Row(R.with(F), ONE, "generic", "1.0.0", "Tells the time to live of a key in seconds."), ttl::ttl),
    row("type", 2, Row(R.with(F), ONE, "generic", "1.0.0", "Tells the type of a value."), keys::type_of),
    row("unlink", -2, Row(W.with(P).with(F), ALL_KEYS, "generic", "4.0.0", "Deletes keys; the same as DEL here, where memory is always freed in the background."), delete::del),
    row("unwatch", 1, Row(F, NO_KEYS, "transactions", "2.2.0", "Forgets the watched keys."), transaction::unwatch),
    row("wait", 3, Row(NONE, NO_KEYS, "generic", "3.0.0", "Waits for replicas; there are none, so it answers at once."), server::wait),
    row("watch", -2, Row(F.with(Q), ALL_KEYS, "transactions", "2.2.0", "Watches keys: EXEC does nothing if one changed."), transaction::watch),
];
