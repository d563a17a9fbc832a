//! From the grammar to cases: single commands, and the patterns that chance alone would rarely make (transactions
//! with a watched key that changes, keys that expire, whole scans).

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::Union;

use super::CONNECTIONS;
use super::case::{Case, Step};
use super::command::{Arg, Casing, Command};
use super::grammar::{Line, Node};
use super::kinds::{self, Arguments};

/// The most blocks of a case; most blocks are one step, some are ten.
const BLOCKS_MAX: usize = 16;

/// What a line of the grammar generates, in any spelling, now and then damaged or inline.
type Commands = BoxedStrategy<Command>;

/// Steps that belong together.
type Block = BoxedStrategy<Vec<Step>>;

/// All cases of these lines; `queueable` tells whether a transaction may contain a command.
pub(crate) fn cases(lines: &[Line], queueable: impl Fn(&str) -> bool) -> BoxedStrategy<Case> {
    let any_command = commands(lines, |_| true);
    // What changes data and has nothing to do with the connection: safe inside any pattern.
    let data = commands(lines, |name| {
        let others = [
            "MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "HELLO", "AUTH", "SELECT", "QUIT", "RESET",
            "WAIT",
        ];
        !name.contains('|') && !others.contains(&name)
    });
    let block = prop_oneof![
        30 => single(any_command.clone()),
        6 => transaction(any_command, &data),
        3 => pipeline(commands(lines, |name| name != "QUIT" && queueable(name))),
        3 => expiry(data.clone()),
        2 => full_scan(),
        1 => silent(data),
        1 => frequency(),
    ];
    let connections = prop::array::uniform(any::<bool>());
    (connections, vec(block, 1..BLOCKS_MAX))
        .prop_map(|(resp3, blocks)| Case { resp3, steps: blocks.concat() })
        .boxed()
}

fn commands(lines: &[Line], include: impl Fn(&str) -> bool) -> Commands {
    let included = lines.iter().filter(|line| include(line.name));
    Union::new_weighted(included.map(|line| (line.weight, command(line))).collect()).boxed()
}

fn command(line: &Line) -> Commands {
    let name = line.name;
    let casing = prop_oneof![3 => Just(Casing::Upper), 1 => Just(Casing::Lower), 1 => Just(Casing::Mixed)];
    let whole = (arguments(&line.arguments), casing).prop_map(move |(rest, casing)| {
        let args = name.split('|').map(Arg::Word).chain(rest).collect();
        Command { name, args, casing, damaged: false }
    });
    prop_oneof![12 => whole.clone(), 1 => damaged(whole)].boxed()
}

/// One argument is missing, too many, or something else than it should be; the name stays.
fn damaged(whole: impl Strategy<Value = Command>) -> impl Strategy<Value = Command> {
    (whole, 0..3, any::<Index>(), kinds::junk()).prop_map(|(mut command, damage, index, junk)| {
        let rest = command.args.len() - 1;
        command.damaged = true;
        if damage == 0 || rest == 0 {
            command.args.splice(1 + index.index(rest + 1)..1 + index.index(rest + 1), junk);
        } else {
            let at = 1 + index.index(rest);
            let replacement = if damage == 1 { vec![] } else { junk };
            command.args.splice(at..=at, replacement);
        }
        // Without its subcommand it is another command, to the masks as to the servers.
        if let (Some((container, _)), false) =
            (command.name.split_once('|'), matches!(command.args.get(1), Some(Arg::Word(_))))
        {
            command.name = container;
        }
        command
    })
}

fn arguments(node: &Node) -> Arguments {
    let concat = |parts: Vec<Vec<Arg>>| parts.concat();
    match node {
        Node::Word(word) => Just(vec![Arg::Word(word)]).boxed(),
        Node::Kind(name) => kinds::kind(name),
        Node::Sequence(nodes) => nodes.iter().map(arguments).collect::<Vec<_>>().prop_map(concat).boxed(),
        Node::Shuffled(nodes) => {
            nodes.iter().map(arguments).collect::<Vec<_>>().prop_shuffle().prop_map(concat).boxed()
        }
        Node::Either(nodes) => Union::new(nodes.iter().map(arguments)).boxed(),
        Node::Maybe(node) => prop_oneof![Just(Vec::new()), arguments(node)].boxed(),
        Node::Repeated(node) => prop_oneof![2 => vec(arguments(node), 1), 3 => vec(arguments(node), 2..4)]
            .prop_map(concat)
            .boxed(),
    }
}

/// The first connection does most, so that what it does adds up.
fn connection() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![2 => Just(0), 1 => 0..CONNECTIONS]
}

fn send(connection: usize, command: Command) -> Step {
    Step::Send { connection, command, inline: false }
}

fn single(commands: Commands) -> Block {
    let inline = prop::bool::weighted(0.04);
    (connection(), commands, inline)
        .prop_map(|(connection, command, inline)| vec![Step::Send { connection, command, inline }])
        .boxed()
}

/// Commands in one write; half of the time as the transaction that client libraries make of a pipeline.
/// Without QUIT, which ends a pipeline.
fn pipeline(commands: Commands) -> Block {
    (connection(), vec(commands, 1..8), any::<bool>())
        .prop_map(|(connection, mut commands, transaction)| {
            if transaction {
                commands.insert(0, Command::of("MULTI", &[]));
                commands.push(Command::of("EXEC", &[]));
            }
            vec![Step::Pipeline { connection, commands }]
        })
        .boxed()
}

/// WATCH or not, something that may change the watched, MULTI, commands (of another connection in between), an end.
fn transaction(any_command: Commands, data: &Commands) -> Block {
    let watched = prop::option::of(vec(kinds::kind("key"), 1..3).prop_map(|keys| keys.concat()));
    let between = prop_oneof![
        4 => Just(Vec::new()),
        3 => (connection(), data.clone()).prop_map(|(connection, command)| vec![send(connection, command)]),
        1 => connection().prop_map(|connection| vec![send(connection, Command::of("FLUSHDB", &[]))]),
        1 => connection().prop_map(|connection| vec![send(connection, Command::of("SWAPDB", &["0", "1"]))]),
        1 => Just(vec![Step::Wait]),
    ];
    let short_lived = prop::option::weighted(0.3, kinds::kind("key")).prop_map(|key| {
        key.map(|key| {
            let mut command = Command::of("PEXPIRE", &[]);
            command.args.extend(key);
            command.args.push(Arg::ShortMs);
            command
        })
    });
    let end = select(["EXEC", "EXEC", "EXEC", "EXEC", "EXEC", "EXEC", "DISCARD", "RESET", ""].as_slice());
    let queued = vec((prop::bool::weighted(0.85), any_command), 1..6);
    (connection(), watched, short_lived, between.clone(), queued, between, end)
        .prop_map(|(own, watched, short_lived, before, queued, during, end)| {
            let mut steps: Vec<Step> = short_lived.map(|command| send(own, command)).into_iter().collect();
            if let Some(keys) = watched {
                let mut command = Command::of("WATCH", &[]);
                command.args.extend(keys);
                steps.push(send(own, command));
            }
            steps.extend(before);
            steps.push(send(own, Command::of("MULTI", &[])));
            steps.extend(
                queued.into_iter().map(|(by_own, command)| {
                    send(if by_own { own } else { (own + 1) % CONNECTIONS }, command)
                }),
            );
            steps.extend(during);
            if !end.is_empty() {
                steps.push(send(own, Command::of(end, &[])));
            }
            steps
        })
        .boxed()
}

/// A key that expires, and what is then done.
fn expiry(data: Commands) -> Block {
    let own = connection();
    (own, kinds::kind("key"), vec((connection(), data), 1..4), any::<bool>())
        .prop_map(|(own, key, after, absolute)| {
            let mut set = Command::of("SET", &[]);
            set.args.extend(key);
            set.args.push(Arg::text("soon gone"));
            let (option, ttl) = if absolute { ("PXAT", Arg::ShortUnixMs) } else { ("PX", Arg::ShortMs) };
            set.args.extend([Arg::Word(option), ttl]);
            let mut steps = vec![send(own, set), Step::Wait];
            steps.extend(after.into_iter().map(|(connection, command)| send(connection, command)));
            steps
        })
        .boxed()
}

fn full_scan() -> Block {
    let option = |word, kind| {
        let with_word = kinds::kind(kind).prop_map(move |value| [vec![Arg::Word(word)], value].concat());
        prop_oneof![2 => Just(vec![]), 1 => with_word].boxed()
    };
    let options = vec![option("MATCH", "pattern"), option("COUNT", "count"), option("TYPE", "type")];
    (connection(), options)
        .prop_map(|(connection, options)| vec![Step::FullScan { connection, options: options.concat() }])
        .boxed()
}

fn silent(data: Commands) -> Block {
    (connection(), any::<bool>(), any::<bool>(), vec(data, 1..4))
        .prop_map(|(connection, resp3, skip, mut commands)| {
            if skip {
                commands.truncate(1);
            }
            vec![Step::Silent { connection, resp3, skip, commands }]
        })
        .boxed()
}

/// OBJECT FREQ has an answer under an LFU policy only.
fn frequency() -> Block {
    let policy = select(["allkeys-lfu", "volatile-lfu"].as_slice());
    (connection(), policy, kinds::kind("key"), any::<bool>())
        .prop_map(|(connection, policy, key, exists)| {
            let mut ask = Command::of("OBJECT|FREQ", &[]);
            ask.args.extend(key.iter().cloned());
            let mut set = Command::of("SET", &[]);
            set.args.extend(key);
            set.args.push(Arg::text("x"));
            let mut steps = vec![send(connection, Command::of("CONFIG|SET", &["maxmemory-policy", policy]))];
            steps.extend(exists.then(|| send(connection, set)));
            steps.push(send(connection, ask));
            steps
        })
        .boxed()
}
