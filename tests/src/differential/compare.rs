//! Whether what the subject replied is what one of the peers replied.

use crate::resp::Value;

use super::command::Command;
use super::mask;
use super::reply::Reply;

/// A reply of the subject that is neither peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The command; inside EXEC the queued one.
    pub(crate) name: &'static str,
    /// What kind of reply the subject gave, and what kinds the peers: so that the same mismatch, met again, is known.
    pub(crate) nature: String,
}

impl Mismatch {
    pub(crate) fn new<'a>(name: &'static str, replies: impl IntoIterator<Item = &'a Reply>) -> Self {
        let natures: Vec<String> = replies.into_iter().map(nature).collect();
        Self { name, nature: natures.join(" / ") }
    }
}

/// Compares the replies to `command`, the subject's first. `queued` is what EXEC executes: of its replies each must
/// be one of the peers', where these have executed it too.
pub(crate) fn compare(command: &Command, queued: &[Command], replies: &[Reply; 3]) -> Result<(), Mismatch> {
    let [subject, peers @ ..] = replies;
    if let ("EXEC", Some(ours)) = (command.name, executed(subject, queued)) {
        let theirs: Vec<&[Value]> = peers.iter().filter_map(|peer| executed(peer, queued)).collect();
        for (at, command) in queued.iter().enumerate().filter(|_| !theirs.is_empty()) {
            if !theirs.iter().any(|theirs| mask::same(command, &ours[at], &theirs[at])) {
                let all = [ours].into_iter().chain(theirs);
                let replies: Vec<Reply> = all.map(|values| Reply::Value(values[at].clone())).collect();
                return Err(Mismatch::new(command.name, &replies));
            }
        }
        if !theirs.is_empty() {
            return Ok(());
        }
    }
    let same = |peer: &Reply| match (subject, peer) {
        (Reply::Value(ours), Reply::Value(theirs)) | (Reply::Last(ours), Reply::Last(theirs)) => {
            mask::same(command, ours, theirs)
        }
        (Reply::Closed, Reply::Closed) => true,
        _ => false,
    };
    if peers.iter().any(same) { Ok(()) } else { Err(Mismatch::new(command.name, replies)) }
}

/// The replies of an EXEC that executed all that was queued.
fn executed<'a>(reply: &'a Reply, queued: &[Command]) -> Option<&'a [Value]> {
    if let Reply::Value(Value::Array(values)) = reply { Some(values.as_slice()) } else { None }
        .filter(|values| values.len() == queued.len())
}

/// Whether the peers went apart at this EXEC: one executed what the other did not, so that from here on there is but
/// one to compare with at best.
pub(crate) fn parted(command: &Command, queued: &[Command], replies: &[Reply; 3]) -> bool {
    let [_, redis, valkey] = replies;
    command.name == "EXEC" && executed(redis, queued).is_some() != executed(valkey, queued).is_some()
}

/// Compares the replies to a step as a whole: each must be that of the same peer.
pub(crate) fn compare_all(
    name: &'static str,
    commands: &[Command],
    replies: &[Reply; 3],
) -> Result<(), Mismatch> {
    let [subject, peers @ ..] = replies;
    let same = |peer: &Reply| match (subject, peer) {
        (Reply::Several(ours), Reply::Several(theirs)) => {
            let mut all = commands.iter().zip(ours.iter().zip(theirs));
            ours.len() == commands.len()
                && theirs.len() == commands.len()
                && all.all(|(command, (ours, theirs))| mask::same(command, ours, theirs))
        }
        _ => subject == peer,
    };
    if peers.iter().any(same) { Ok(()) } else { Err(Mismatch::new(name, replies)) }
}

fn nature(reply: &Reply) -> String {
    match reply {
        Reply::Value(value) | Reply::Last(value) if value.is_error() => {
            let text = value.text().unwrap_or_default();
            text.chars().filter(|c| !c.is_ascii_digit()).take(40).collect()
        }
        Reply::Value(value) => value.kind().to_owned(),
        Reply::Last(_) => "last".to_owned(),
        Reply::Several(_) => "several".to_owned(),
        Reply::Closed => "closed".to_owned(),
        Reply::Silence => "silence".to_owned(),
        Reply::Malformed(_) => "malformed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(values: [&str; 2]) -> Reply {
        Reply::Value(Value::Array(values.map(|value| Value::Bulk(value.as_bytes().to_vec())).to_vec()))
    }

    #[test]
    fn within_exec_each_reply_is_compared_by_itself_and_under_its_own_mask() {
        let queued = [Command::of("RANDOMKEY", &[]), Command::of("GET", &["a"])];
        let compare = |replies| {
            let compared = compare(&Command::of("EXEC", &[]), &queued, &replies);
            compared.map_err(|mismatch| mismatch.name)
        };
        let aborted = Reply::Value(Value::NullArray);
        assert_eq!(compare([exec(["a", "1"]), exec(["b", "1"]), exec(["c", "2"])]), Ok(()));
        assert_eq!(compare([exec(["a", "1"]), exec(["b", "2"]), exec(["c", "3"])]), Err("GET"));
        assert_eq!(compare([exec(["a", "1"]), aborted.clone(), exec(["c", "1"])]), Ok(()));
        assert_eq!(compare([exec(["a", "1"]), aborted.clone(), aborted.clone()]), Err("EXEC"));
        assert_eq!(compare([aborted.clone(), exec(["a", "1"]), aborted.clone()]), Ok(()));
        let parted = |replies| parted(&Command::of("EXEC", &[]), &queued, &replies);
        assert!(parted([aborted.clone(), exec(["a", "1"]), aborted.clone()]));
        assert!(!parted([exec(["a", "1"]), aborted.clone(), aborted]));
    }
}
