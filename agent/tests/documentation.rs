//! `docs/commands.md` is written from the table of commands: `LARDER_BLESS=1 cargo test -p larder-agent --test documentation`
//! writes it anew.

use std::fmt::Write;
use std::path::Path;

use larder_agent::command::table::{COMMANDS, Command, Flags};

fn line(text: &mut String, command: &Command) {
    let arguments = match command.arity {
        arity if arity < 0 => format!("{} or more", -arity - 1),
        arity => (arity - 1).to_string(),
    };
    let name = command.name.replace('|', " ").to_uppercase();
    let debug = if command.flags.has(Flags::DEBUG) { " Only with `--debug-commands`." } else { "" };
    writeln!(text, "| `{name}` | {arguments} | {} | {}{debug} |", command.since, command.summary)
        .expect("strings take everything");
}

fn document() -> String {
    let mut groups: Vec<&str> = COMMANDS.iter().map(|command| command.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut text = String::from(
        "# Commands\n\nWritten from the table that dispatch reads. Arguments count without the command's own name; the version is \
         that of the Redis\nthat had the command first. Whatever is not here answers `ERR unknown command`, and what to use \
         instead.\n",
    );
    for group in groups {
        let _ = write!(
            text,
            "\n## {group}\n\n| command | arguments | since | what it does |\n|---|---|---|---|\n"
        );
        for command in COMMANDS.iter().filter(|command| command.group == group) {
            if command.subcommands.is_empty() {
                line(&mut text, command);
            }
            command.subcommands.iter().for_each(|sub| line(&mut text, sub));
        }
    }
    text
}

#[test]
fn the_command_reference_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs/commands.md");
    let expected = document();
    if std::env::var_os("LARDER_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("docs is writable");
    }
    let found = std::fs::read_to_string(&path).expect("docs/commands.md");
    assert!(found == expected, "docs/commands.md is not what the table says: write it with LARDER_BLESS=1");
}
