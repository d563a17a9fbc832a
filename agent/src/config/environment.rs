//! `LARDER_*` variables: settings, what Kubernetes injects, and what is neither.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::draft::{Given, Origin, Place};
use super::error::Problem;
use super::settings::{PREFIX, SETTINGS};
use super::suggest::nearest;

/// Names the configuration file, as `--config` does.
const CONFIG: &str = "LARDER_CONFIG";

/// The settings in the environment. An empty variable counts as not set, as a template leaves it.
pub(super) fn read(
    env: &[(OsString, OsString)],
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<String>,
) -> Vec<Given> {
    let mut all = Vec::new();
    for (name, value) in env {
        let name = name.to_string_lossy();
        if !name.starts_with(PREFIX) {
            continue;
        }
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == name) {
            let origin = Origin::Environment { variable: name.into_owned() };
            match value.to_str() {
                Some("") => {}
                Some(text) => all.push(Given { setting, text: text.to_owned(), origin }),
                None => problems.push(Problem::Value {
                    place: Place::new(setting, origin),
                    value: format!("{value:?}"),
                    why: "not UTF-8: write it in UTF-8".to_owned(),
                }),
            }
        } else if name != CONFIG && !injected_by_kubernetes(&name) {
            // Without the prefix, which would make all of them alike.
            let known = SETTINGS.iter().map(|setting| setting.variable()).chain([CONFIG.to_owned()]);
            let known = known.map(|name| name.replacen(PREFIX, "", 1));
            let hint = match nearest(&name[PREFIX.len()..], known) {
                Some(near) => format!("did you mean {PREFIX}{near}?"),
                None => "larder-agent --help lists the settings".to_owned(),
            };
            warnings.push(format!("{name} in the environment is no setting and is ignored; {hint}"));
        }
    }
    all
}

/// The configuration file named by the environment, with the name of the variable.
pub(super) fn config_file(env: &[(OsString, OsString)]) -> Option<(&'static str, PathBuf)> {
    env.iter()
        .find(|(name, value)| name == OsStr::new(CONFIG) && !value.is_empty())
        .map(|(_, path)| (CONFIG, PathBuf::from(path)))
}

/// Whether `name` is one that Kubernetes sets in every pod for a Service named `larder` or
/// `larder-something`: `{SERVICE}_SERVICE_HOST`, `_SERVICE_PORT`, `_SERVICE_PORT_{PORT}`, `_PORT`,
/// `_PORT_{N}_{PROTOCOL}`, and the latter with `_PROTO`, `_PORT` or `_ADDR` behind it.
fn injected_by_kubernetes(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("LARDER") else { return false };
    // `larder` itself has nothing between, `larder-agent` has `_AGENT`: look for each ending behind any `_`.
    rest.match_indices('_').any(|(at, _)| {
        let ending = &rest[at + 1..];
        match ending {
            "SERVICE_HOST" | "SERVICE_PORT" | "PORT" => true,
            _ if ending.strip_prefix("SERVICE_PORT_").is_some_and(|port| !port.is_empty()) => true,
            _ => ending.strip_prefix("PORT_").is_some_and(port_and_protocol),
        }
    })
}

/// `6379_TCP`, `6379_TCP_ADDR`.
fn port_and_protocol(text: &str) -> bool {
    let mut parts = text.split('_');
    parts.next().is_some_and(|port| port.parse::<u16>().is_ok())
        && parts.next().is_some_and(|protocol| matches!(protocol, "TCP" | "UDP" | "SCTP"))
        && parts.next().is_none_or(|part| matches!(part, "PROTO" | "PORT" | "ADDR"))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(names: &[&str]) -> Vec<String> {
        let env: Vec<_> = names.iter().map(|name| (name.into(), "tcp://10.0.0.7:6379".into())).collect();
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        assert!(read(&env, &mut problems, &mut warnings).is_empty());
        assert!(problems.is_empty());
        warnings
    }

    #[test]
    fn what_kubernetes_injects_is_ignored() {
        let nothing: [&str; 0] = [];
        assert_eq!(
            warnings(&[
                "LARDER_PORT",
                "LARDER_SERVICE_HOST",
                "LARDER_SERVICE_PORT",
                "LARDER_SERVICE_PORT_METRICS",
                "LARDER_SERVICE_PORT_HTTP_METRICS",
                "LARDER_PORT_6379_TCP",
                "LARDER_PORT_6379_TCP_PROTO",
                "LARDER_PORT_6379_TCP_PORT",
                "LARDER_PORT_6379_TCP_ADDR",
                "LARDER_PORT_53_UDP",
                "LARDER_AGENT_SERVICE_HOST",
                "LARDER_AGENT_PORT",
                "LARDER_AGENT_PORT_9418_TCP_ADDR",
                "LARDER_CONTROLLER_WEBHOOK_SERVICE_PORT_HTTPS",
                "LARDER_MEMORY_SERVICE_HOST",
                "HOME",
                "LARDERS_MEMORY",
            ]),
            nothing
        );
    }

    #[test]
    fn other_unknown_names_are_warned_of_without_their_value() {
        for (name, warning) in [
            (
                "LARDER_MEMROY",
                "LARDER_MEMROY in the environment is no setting and is ignored; did you mean LARDER_MEMORY?",
            ),
            (
                "LARDER_SOCKET-MODE",
                "LARDER_SOCKET-MODE in the environment is no setting and is ignored; did you mean LARDER_SOCKET_MODE?",
            ),
            (
                "LARDER_CONFIGS",
                "LARDER_CONFIGS in the environment is no setting and is ignored; did you mean LARDER_CONFIG?",
            ),
            ("LARDER_PORT_X_TCP", "LARDER_PORT_X_TCP in the environment is no setting and is ignored; "),
            (
                "LARDER_PORT_6379_HTTP",
                "LARDER_PORT_6379_HTTP in the environment is no setting and is ignored; ",
            ),
            (
                "LARDER_SERVICE_PORT_",
                "LARDER_SERVICE_PORT_ in the environment is no setting and is ignored; ",
            ),
            ("LARDER_QQQ", "LARDER_QQQ in the environment is no setting and is ignored; "),
        ] {
            let warnings = warnings(&[name]);
            assert_eq!(warnings.len(), 1, "{name}");
            assert!(warnings[0].starts_with(warning), "{}", warnings[0]);
            assert!(!warnings[0].contains("10.0.0.7"), "{}", warnings[0]);
        }
    }

    #[test]
    fn no_setting_has_a_name_that_kubernetes_may_inject() {
        for setting in SETTINGS {
            assert!(!injected_by_kubernetes(&setting.variable()), "{}", setting.variable());
        }
        assert!(!injected_by_kubernetes(CONFIG));
    }
}
