//! The command line: clap's command, made from the table of settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::ConfigError;
use super::draft::{Given, Origin};
use super::settings::{Kind, SETTINGS, Setting};

/// What the command line says, values not yet read.
pub(super) struct Asked {
    pub(super) what: What,
    pub(super) config: Option<PathBuf>,
    pub(super) settings: Vec<Given>,
}

/// What to do with the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Serve,
    Ping,
    PrintConfig,
    CheckConfig,
}

/// Reads the command line; `None` if it asked for help or the version, which is printed then.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Asked>, ConfigError> {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // A closed standard output is the reader's choice, as in `larder-agent --help | head -1`.
            let _ = error.print();
            return Ok(None);
        }
        Err(error) => return Err(ConfigError::Usage(error.render().to_string().trim_end().to_owned())),
    };
    let ping = matches.subcommand_matches("ping");
    // What stands behind `ping` is nearer to it than what stands before.
    let nearest_first: Vec<&ArgMatches> = ping.into_iter().chain([&matches]).collect();
    let settings = SETTINGS
        .iter()
        .filter_map(|setting| {
            let text = nearest_first.iter().find_map(|matches| matches.get_one::<String>(setting.name))?;
            Some(Given { setting, text: text.clone(), origin: Origin::Flag })
        })
        .collect();
    let what = if matches.get_flag("print-config") {
        What::PrintConfig
    } else if matches.get_flag("check-config") {
        What::CheckConfig
    } else if ping.is_some() {
        What::Ping
    } else {
        What::Serve
    };
    let config = nearest_first.iter().find_map(|matches| matches.get_one::<PathBuf>("config")).cloned();
    Ok(Some(Asked { what, config, settings }))
}

fn command() -> Command {
    Command::new("larder-agent")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Larder's agent: a cache beside your application that speaks the Redis protocol on a Unix socket.")
        .override_usage("larder-agent [OPTIONS]\n       larder-agent ping [OPTIONS]")
        .after_help(AFTER_HELP)
        .args(SETTINGS.iter().map(flag))
        .arg(config_flag())
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .conflicts_with("check-config")
                .help_heading("Configuration")
                .help("Show every setting's value and where it came from, as YAML, and exit"),
        )
        .arg(
            Arg::new("check-config")
                .long("check-config")
                .action(ArgAction::SetTrue)
                .help_heading("Configuration")
                .help("Check the configuration and exit: 0 if it is good, 78 if not"),
        )
        .subcommand(
            Command::new("ping")
                .about("Ask a running agent for a PONG, for probes: exits 0 or 1 within 1s")
                .override_usage("larder-agent ping [OPTIONS]")
                .after_help(PING_AFTER_HELP)
                // The other flags are taken too, so that one list of arguments serves both, but not shown.
                .args(SETTINGS.iter().map(|setting| flag(setting).hide(!setting.for_ping)))
                .arg(config_flag()),
        )
}

fn config_flag() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help_heading("Configuration")
        .help("YAML file with settings, as --print-config shows them; LARDER_CONFIG names one too")
}

fn flag(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.name)
        .long(setting.name)
        .help_heading(setting.group)
        .action(ArgAction::Set)
        // `--memory -1` shall get to the reader, who can say more about it than "unexpected argument".
        .allow_negative_numbers(true);
    if setting.kind == Kind::Switch {
        // `--tcp-any`, or `--tcp-any=false` over a file that says true.
        return arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .hide_possible_values(true)
            .value_name("true|false")
            .help(setting.help);
    }
    // On the last line if it fits, so that the list stays short.
    let default = format!("[default: {}]", setting.default_words());
    let last_chars = setting.help.lines().last().map_or(0, |line| line.chars().count());
    let gap = if last_chars + default.len() < 80 { ' ' } else { '\n' };
    arg.value_name(setting.value).help(format!("{}{gap}{default}", setting.help))
}

const AFTER_HELP: &str = "\
Every setting is also an environment variable (--socket-mode is LARDER_SOCKET_MODE) and a key of the file
(socket_mode). A flag goes before a variable, a variable before the file, the file before the default.
`off` takes back --tcp, --metrics, --password-file, --allow-uid, --disk, --volume-limit and --at-rest-key,
--tcp-any=false a switch.

On SIGHUP the file and the password are read again; what cannot change while running is logged and waits for a restart.
On SIGTERM the agent stops accepting, answers what it has read, and exits.

Examples:
  larder-agent --socket /tmp/larder.sock --memory 64MiB       serve; try redis-cli -s /tmp/larder.sock
  larder-agent ping --socket /tmp/larder.sock                 is it there?
  larder-agent --config larder.yaml --print-config            what would hold, and why
  LARDER_MEMORY=1GiB larder-agent --tcp 127.0.0.1:6379        on TCP too

Exit codes:
  0   done: stopped by SIGTERM, configuration good, PONG received
  1   failed while running: the socket cannot be opened, no PONG
  64  usage: a flag that does not exist, or lacks its value
  78  configuration: a value or a file that cannot be used";

const PING_AFTER_HELP: &str = "\
Reads the same flags, variables and file as the agent itself; with the same environment `larder-agent ping` is all a
probe needs.

Exit codes:
  0   PONG received
  1   no PONG within 1s
  64  usage: a flag that does not exist, or lacks its value
  78  configuration: a value or a file that cannot be used";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &str) -> Asked {
        let args = std::iter::once("larder-agent").chain(args.split_whitespace()).map(OsString::from);
        parse(args).unwrap().unwrap()
    }

    fn refused(args: &str) -> String {
        let args = std::iter::once("larder-agent").chain(args.split_whitespace()).map(OsString::from);
        match parse(args) {
            Err(error @ ConfigError::Usage(_)) => error.to_string(),
            Err(error) => panic!("not a usage error: {error}"),
            Ok(_) => panic!("not refused"),
        }
    }

    fn texts(asked: &Asked) -> Vec<(&str, &str)> {
        asked.settings.iter().map(|given| (given.setting.name, given.text.as_str())).collect()
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn what_is_asked_for() {
        assert_eq!(parsed("").what, What::Serve);
        assert_eq!(parsed("ping").what, What::Ping);
        assert_eq!(parsed("--print-config").what, What::PrintConfig);
        assert_eq!(parsed("--check-config --config a.yaml").what, What::CheckConfig);
        assert_eq!(parsed("ping --config a.yaml").config, Some(PathBuf::from("a.yaml")));
    }

    #[test]
    fn switches_take_no_value_or_one_behind_an_equals_sign() {
        assert_eq!(
            texts(&parsed("--tcp-any --debug-commands=false")),
            [("tcp-any", "true"), ("debug-commands", "false")]
        );
        assert!(refused("--tcp-any false").contains("unrecognized subcommand 'false'"));
    }

    #[test]
    fn ping_takes_every_flag_before_and_behind_it() {
        let asked = parsed("--socket /a --tcp 127.0.0.1:1 ping --socket /b --memory 1GiB");
        assert_eq!(texts(&asked), [("socket", "/b"), ("tcp", "127.0.0.1:1"), ("memory", "1GiB")]);
    }

    #[test]
    fn usage_errors_name_the_flag_and_what_is_near() {
        let error = refused("--memroy 64MiB");
        assert!(error.contains("unexpected argument '--memroy' found"), "{error}");
        assert!(error.contains("'--memory'"), "{error}");
        assert!(refused("--memory").contains("a value is required for '--memory <SIZE|auto>'"));
        assert!(refused("--memory 1GiB --memory 2GiB").contains("cannot be used multiple times"));
        assert!(refused("pign").contains("'ping'"));
        assert!(refused("--print-config --check-config").contains("cannot be used with"));
        assert_eq!(texts(&parsed("--memory -1")), [("memory", "-1")]);
    }

    #[test]
    fn help_shows_every_setting_with_its_default_and_the_exit_codes() {
        let help = command().render_long_help().to_string();
        for setting in SETTINGS {
            assert!(help.contains(&format!("--{}", setting.name)), "{}", setting.name);
            let first_line = setting.help.lines().next().unwrap();
            assert!(help.contains(first_line), "{}", setting.name);
            assert!(
                setting.kind == Kind::Switch
                    || help.contains(&format!("[default: {}]", setting.default_words()))
            );
        }
        for part in [
            "Exit codes:",
            "64  usage",
            "78  configuration",
            "Examples:",
            "ping",
            "--print-config",
            "LARDER_",
        ] {
            assert!(help.contains(part), "{part}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 120), "{help}");
    }

    #[test]
    fn help_of_ping_shows_what_ping_uses() {
        let mut command = command();
        let help = command.find_subcommand_mut("ping").unwrap().render_long_help().to_string();
        for setting in SETTINGS {
            assert_eq!(
                help.contains(&format!("--{} ", setting.name))
                    || help.contains(&format!("--{}[", setting.name)),
                setting.for_ping,
                "{}\n{help}",
                setting.name
            );
        }
    }
}
