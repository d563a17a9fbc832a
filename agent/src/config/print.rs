//! `--print-config`: every effective value and where it came from, as a file that `--config` reads.

use super::Config;
use super::draft::Origins;
use super::memory::set_by;
use super::settings::{Kind, SETTINGS};

/// The settings as YAML, a comment behind each. The password is not there, only the path of its file.
pub(super) fn as_yaml(config: &Config, origins: &Origins) -> String {
    let lines: Vec<(String, String)> = SETTINGS
        .iter()
        .map(|setting| {
            let value = (setting.show)(config);
            let value = scalar(&value, setting.kind);
            let origin = &origins[setting.name];
            let mut comment = origin.to_string();
            // A size that was computed says how.
            if setting.name == "memory" && config.memory_origin != set_by(origin) {
                comment = format!("{comment} ({})", config.memory_origin);
            }
            // A path with a newline in its name must not end the comment.
            let comment = comment.replace(|c: char| c.is_control(), "?");
            (format!("{}: {value}", setting.key()), comment)
        })
        .collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    lines.iter().map(|(line, comment)| format!("{line:width$}  # {comment}\n")).collect()
}

/// A value as a YAML scalar that every version of YAML takes for what it is: text, a number, a switch.
fn scalar(text: &str, kind: Kind) -> String {
    let number = text == "0" || text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let plain = match kind {
        Kind::Number | Kind::Switch => true,
        Kind::TextOrNumber | Kind::List if number => true,
        // 64MiB, 20s: never taken for a number.
        Kind::TextOrNumber => {
            text.starts_with(|c| ('1'..='9').contains(&c)) && text.ends_with(['B', 's', 'm', 'h'])
        }
        Kind::Text | Kind::OnOff | Kind::List => {
            text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
                // YAML 1.1 takes some words for switches, or for nothing.
                && !["off", "on", "no", "yes", "n", "y", "true", "false", "null"].contains(&text.to_ascii_lowercase().as_str())
        }
    };
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_plain_only_where_nothing_can_be_misread() {
        for (kind, text, yaml) in [
            (Kind::Text, "/run/larder/larder.sock", "/run/larder/larder.sock"),
            (Kind::Text, "text", "text"),
            (Kind::Text, "off", "\"off\""),
            (Kind::Text, "Null", "\"Null\""),
            (Kind::Text, "1000", "\"1000\""),
            (Kind::Text, "127.0.0.1:9418", "\"127.0.0.1:9418\""),
            (Kind::Text, "/a b: #\"\\", "\"/a b: #\\\"\\\\\""),
            (Kind::Text, "/a\nb", "\"/a\\u000ab\""),
            (Kind::TextOrNumber, "0660", "\"0660\""),
            (Kind::TextOrNumber, "0", "0"),
            (Kind::TextOrNumber, "64MiB", "64MiB"),
            (Kind::TextOrNumber, "67108865", "67108865"),
            (Kind::TextOrNumber, "20s", "20s"),
            (Kind::List, "1000", "1000"),
            (Kind::List, "1000,1001", "\"1000,1001\""),
            (Kind::List, "off", "\"off\""),
            (Kind::OnOff, "on", "\"on\""),
            (Kind::Number, "16", "16"),
            (Kind::Switch, "true", "true"),
        ] {
            assert_eq!(scalar(text, kind), yaml);
        }
    }
}
