//! Tests of `file`.

use super::*;

fn parsed(text: &str) -> (Vec<Given>, Vec<String>) {
    let mut problems = Vec::new();
    let given = parse(text, Path::new("larder.yaml"), &mut problems);
    (given, problems.iter().map(ToString::to_string).collect())
}

/// The settings of a good file, each with its line.
fn good(text: &str) -> Vec<(&'static str, String, usize)> {
    let (given, problems) = parsed(text);
    assert_eq!(problems, [""; 0], "{text}");
    let of = |given: Given| match given.origin {
        Origin::File { line, .. } => (given.setting.name, given.text, line),
        other => panic!("{other}"),
    };
    given.into_iter().map(of).collect()
}

/// The problems of a bad file, which gives nothing else.
fn bad(text: &str) -> Vec<String> {
    let (given, problems) = parsed(text);
    assert!(given.is_empty(), "{text}");
    problems
}

#[test]
fn lines_are_those_of_the_keys_whatever_the_layout() {
    let block = "# Larder\n\nmemory: 64MiB\n\n\"log\": json   # a comment: with a colon\nsocket: >-\n  /run/\n  x.sock\n'workers': 2\n";
    let expected =
        [("memory", "64MiB", 3), ("log", "json", 5), ("socket", "/run/ x.sock", 6), ("workers", "2", 9)];
    assert_eq!(good(block), expected.map(|(name, text, line)| (name, text.to_owned(), line)));
    let flow = "{memory: 64MiB,\n log: json,\n\n workers: 2}";
    let expected = [("memory", "64MiB", 1), ("log", "json", 2), ("workers", "2", 4)];
    assert_eq!(good(flow), expected.map(|(name, text, line)| (name, text.to_owned(), line)));
    let windows = "---\r\nlog: json\r\n\r\nworkers: 2\r\n";
    assert_eq!(good(windows), [("log", "json".to_owned(), 2), ("workers", "2".to_owned(), 4)]);
}

#[test]
fn an_empty_file_sets_nothing() {
    for text in ["", "\n", "# nothing yet\n", "---\n", "{}"] {
        assert_eq!(good(text), [], "{text:?}");
    }
}

#[test]
fn values_arrive_as_written() {
    for (yaml, text) in [
        ("socket_mode: 0660", "0660"),
        ("socket_mode: 0o660", "0o660"),
        ("socket_mode: 660", "660"),
        ("socket_mode: \"0600\"", "0600"),
        ("memory: 67108864", "67108864"),
        ("memory: 64MiB", "64MiB"),
        ("memory: auto", "auto"),
        ("tcp: off", "off"),
        ("tcp_any: true", "true"),
        ("idle_timeout: 0", "0"),
        ("allow_uid: [1000, 1001]", "1000,1001"),
        ("allow_uid:\n- 1000\n- 1001\n", "1000,1001"),
        ("allow_uid: 1000", "1000"),
        ("allow_uid: 1000,1001", "1000,1001"),
    ] {
        assert_eq!(good(yaml)[0].1, text, "{yaml}");
    }
}

#[test]
fn unknown_keys_name_file_line_and_key_and_what_was_meant() {
    for (text, problem) in [
        ("\nmemroy: 64MiB", "larder.yaml:2: unknown key `memroy`; did you mean `memory`?"),
        ("socket-mode: 0660", "larder.yaml:1: unknown key `socket-mode`; did you mean `socket_mode`?"),
        ("password: hunter2", "larder.yaml:1: unknown key `password`; did you mean `password_file`?"),
        (
            "config: other.yaml",
            "larder.yaml:1: unknown key `config`; the file cannot name another: give --config",
        ),
        ("colour: red", "larder.yaml:1: unknown key `colour`; larder-agent --print-config shows all keys"),
        (
            "<<: {memory: 64MiB}",
            "larder.yaml:1: unknown key `<<`; larder-agent --print-config shows all keys",
        ),
        (
            "larder:\n  memory: 64MiB",
            "larder.yaml:1: unknown key `larder`; larder-agent --print-config shows all keys",
        ),
        ("1: 2", "larder.yaml:1: unknown key `1`; larder-agent --print-config shows all keys"),
    ] {
        assert_eq!(bad(text), [problem]);
    }
}

#[test]
fn a_key_twice_names_both_lines() {
    let (given, problems) = parsed("memory: 64MiB\nlog: json\nmemory: 32MiB\n");
    assert_eq!(problems, ["larder.yaml:3: `memory` is already set on line 1; remove one of the two"]);
    assert_eq!(given.len(), 2);
}

#[test]
fn wrong_types_say_what_is_there_and_what_to_write() {
    for (text, problem) in [
        ("socket: 12", "larder.yaml:1: socket: wrong type, this is a whole number: write text"),
        (
            "password_file: true",
            "larder.yaml:1: password_file: wrong type, this is true or false: write text",
        ),
        ("metrics: false", "larder.yaml:1: metrics: wrong type, this is true or false: write text"),
        ("tcp:\n  port: 6379", "larder.yaml:1: tcp: wrong type, this is a mapping: write text"),
        (
            "workers: \"2\"",
            "larder.yaml:1: workers: wrong type, this is text: write a whole number, without quotes",
        ),
        ("workers: 2.5", "larder.yaml:1: workers: wrong type, this is a fraction: write a whole number"),
        ("\nworkers: [2]", "larder.yaml:2: workers: wrong type, this is a list: write a whole number"),
        (
            "memory: 1.5",
            "larder.yaml:1: memory: wrong type, this is a fraction: write text or a whole number",
        ),
        (
            "memory: true",
            "larder.yaml:1: memory: wrong type, this is true or false: write text or a whole number",
        ),
        (
            "tcp_any: \"true\"",
            "larder.yaml:1: tcp_any: wrong type, this is text: write true or false, without quotes",
        ),
        (
            "tcp_any: yes",
            "larder.yaml:1: tcp_any: wrong type, this is text: write true or false, without quotes",
        ),
        ("tcp_any: 1", "larder.yaml:1: tcp_any: wrong type, this is a whole number: write true or false"),
        (
            "allow_uid: [root]",
            "larder.yaml:1: allow_uid: wrong type, this is a list: write a list of whole numbers, such as [1000, 1001]",
        ),
        (
            "allow_uid: true",
            "larder.yaml:1: allow_uid: wrong type, this is true or false: write a list of whole numbers, such as [1000, 1001]",
        ),
        ("# hm\nmemory:", "larder.yaml:2: memory: has no value: write one, or remove the line"),
        ("memory: null", "larder.yaml:1: memory: has no value: write one, or remove the line"),
    ] {
        assert_eq!(bad(text), [problem]);
    }
}

#[test]
fn what_is_no_yaml_names_the_line_and_never_quotes_the_file() {
    for (text, problem) in [
        (
            "memory: 64MiB: x",
            "larder.yaml:1:14: not valid YAML: mapping values are not allowed in this context; write",
        ),
        (
            "log: json\n\tworkers: 2",
            "larder.yaml:2:1: not valid YAML: found a tab character that violates indentation",
        ),
        ("allow_uid: [1\nlog: json", "larder.yaml:2:"),
        (
            "log: json\n---\nlog: text",
            "larder.yaml: not valid YAML: deserializing from YAML containing more than one document",
        ),
        (
            "- hunter2",
            "larder.yaml:1:1: not a mapping of settings to values; write one setting a line, as in `memory: 64MiB`",
        ),
        ("hunter2", "larder.yaml:1:1: not a mapping of settings to values; write"),
        ("? [hunter2]\n: 1", "larder.yaml:1:3: not a mapping of settings to values; write"),
        ("log: *hunter2", "larder.yaml:1:6: not valid YAML: unknown anchor; write"),
        ("log: !t json\n", "larder.yaml:1:6: not a mapping of settings to values; write"),
    ] {
        let problems = bad(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].starts_with(problem), "{text}: {}", problems[0]);
        assert!(!problems[0].contains("hunter2"), "{}", problems[0]);
    }
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let (given, problems) = parsed("memroy: 1\nlog: json\nworkers: x\ntcp_any: 7\n");
    assert_eq!(given.len(), 1);
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let tell = |path: &Path| {
        let mut problems = Vec::new();
        assert!(read(path, "--config", &mut problems).is_empty());
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        tell(Path::new("/nowhere/larder.yaml")),
        "cannot read the configuration file \"/nowhere/larder.yaml\" named by --config: No such file or directory \
         (os error 2); correct the path, or drop it to run on flags, environment and defaults"
    );
    assert!(tell(dir.path()).contains("Is a directory"));
    let path = dir.path().join("binary");
    std::fs::write(&path, b"memory: \xff\n").unwrap();
    assert!(tell(&path).contains("it is not UTF-8 text"), "{}", tell(&path));
    let path = dir.path().join("long");
    std::fs::write(&path, vec![b'#'; LIMIT_BYTES as usize + 1]).unwrap();
    assert!(tell(&path).contains("is longer than 1048576 bytes: is it the right file?"), "{}", tell(&path));
}
