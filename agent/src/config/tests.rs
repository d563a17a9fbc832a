//! Tests of the room as a whole: `load` and `reload`.

mod disk;

use std::fs;

use super::*;

/// A machine with 16 GiB of RAM in a cgroup of 1 GiB, and a place for files.
struct World {
    root: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { root: tempfile::tempdir().unwrap() };
        world.write("proc/meminfo", "MemTotal:       16777216 kB\n");
        world.write("proc/self/cgroup", "0::/\n");
        world.write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        world.write("sys/fs/cgroup/memory.max", "1073741824\n");
        world
    }

    /// Writes a file that only its owner may read, and returns its path.
    fn write(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn load(&self, args: &[&str], env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        load_under(self.root.path(), os_args(args), os_env(env))
    }

    fn config(&self, args: &[&str], env: &[(&str, &str)]) -> Config {
        match self.load(args, env) {
            Ok(Loaded { invocation: Invocation::Serve(config), .. }) => *config,
            other => panic!("{other:?}"),
        }
    }

    /// Everything that is wrong with a configuration, as the operator reads it.
    fn wrong(&self, args: &[&str], env: &[(&str, &str)]) -> String {
        let error = self.load(args, env).expect_err("a configuration error");
        assert_eq!(error.exit_code(), 78, "{error}");
        error.to_string()
    }

    fn print(&self, args: &[&str], env: &[(&str, &str)]) -> String {
        let args: Vec<_> = args.iter().copied().chain(["--print-config"]).collect();
        match self.load(&args, env).unwrap().invocation {
            Invocation::PrintConfig(text) => text,
            other => panic!("{other:?}"),
        }
    }
}

fn os_args(args: &[&str]) -> Vec<OsString> {
    ["larder-agent"].iter().chain(args).map(OsString::from).collect()
}

fn os_env(env: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    env.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// For every setting a value by file, by environment and by flag, all different and none the default.
const THREE_VALUES: &[(&str, [&str; 3])] = &[
    ("socket", ["/tmp/file.sock", "/tmp/env.sock", "/tmp/flag.sock"]),
    ("socket-mode", ["0600", "0666", "0640"]),
    ("tcp", ["127.0.0.1:1001", "127.0.0.1:1002", "127.0.0.1:1003"]),
    ("tcp-any", ["true", "false", "true"]),
    ("password-file", ["ROOT/one", "ROOT/two", "ROOT/three"]),
    ("allow-uid", ["1001", "1002", "1003,1004"]),
    ("memory", ["64MiB", "65MiB", "66MiB"]),
    ("maxmemory-policy", ["volatile", "noeviction", "volatile"]),
    ("max-value", ["1MiB", "2MiB", "3MiB"]),
    ("max-clients", ["11", "12", "13"]),
    ("databases", ["1", "2", "3"]),
    ("idle-timeout", ["1s", "2s", "3s"]),
    ("disk", ["/tmp/file.disk", "/tmp/env.disk", "/tmp/flag.disk"]),
    ("disk-size", ["64MiB", "65MiB", "66MiB"]),
    ("volume-limit", ["1GiB", "2GiB", "3GiB"]),
    ("disk-write-rate", ["1MiB", "2MiB", "3MiB"]),
    ("disk-min-ttl", ["2s", "0", "1500ms"]),
    ("disk-timeout", ["1ms", "2ms", "3s"]),
    ("seal", ["off", "on", "off"]),
    ("at-rest-key", ["/file.keys", "/env.keys", "/flag.keys"]),
    ("metrics", ["127.0.0.1:1", "off", "0.0.0.0:3"]),
    ("log", ["json", "text", "json"]),
    ("log-level", ["error", "debug", "trace"]),
    ("workers", ["2", "3", "4"]),
    ("drain-timeout", ["1s", "2m", "300ms"]),
    ("debug-commands", ["true", "false", "true"]),
];

#[test]
fn every_setting_follows_flag_environment_file_default() {
    let world = World::new();
    for name in ["one", "two", "three"] {
        world.write(name, name);
    }
    let root = world.root.path().to_str().unwrap();
    let mut checked = Vec::new();
    for setting in SETTINGS {
        let (name, values) = THREE_VALUES.iter().find(|(name, _)| *name == setting.name).expect(setting.name);
        let [by_file, by_env, by_flag] = values.map(|value| value.replace("ROOT", root));
        let (key, variable) =
            (name.replace('-', "_"), format!("LARDER_{}", name.replace('-', "_").to_uppercase()));
        // A file of numbers and switches without quotes, of the rest with and without.
        let file = world.write("larder.yaml", &format!("# a comment\n\n{key}: {by_file}\n"));
        let env = [(variable.as_str(), by_env.as_str())];
        let flag = format!("--{name}={by_flag}");

        let all = world.print(&["--config", &file, &flag], &env);
        let without_flag = world.print(&["--config", &file], &env);
        let without_env = world.print(&["--config", &file], &[]);
        let default = world.print(&[], &[]);
        for (printed, value, origin) in [
            (&all, Some(&by_flag), "flag".to_owned()),
            (&without_flag, Some(&by_env), format!("environment {variable}")),
            (&without_env, Some(&by_file), format!("{file}:3")),
            (&default, None, "default".to_owned()),
        ] {
            let line = printed.lines().find(|line| line.starts_with(&format!("{key}: "))).unwrap();
            let (yaml, comment) = line[key.len() + 2..].split_once("  # ").unwrap();
            let shown = yaml.trim().trim_matches('"');
            match value {
                Some(value) => assert_eq!(shown, value, "{line}"),
                None => assert!(![&by_file, &by_flag].iter().any(|value| *value == shown), "{line}"),
            }
            let by_auto = (*name == "memory" && value.is_none()).then_some(" (80% of the cgroup limit");
            match by_auto {
                Some(how) => assert!(comment.starts_with(&format!("{origin}{how}")), "{line}"),
                None => assert_eq!(comment, origin, "{line}"),
            }
            // The others are untouched.
            let others = printed.lines().filter(|other| *other != line);
            for other in others {
                let comment = other.split_once("  # ").unwrap().1;
                assert!(comment.starts_with("default"), "{other}");
            }
        }
        checked.push(setting.name);
    }
    assert_eq!(checked.len(), THREE_VALUES.len());
}

#[test]
fn the_defaults() {
    let config = World::new().config(&[], &[("XDG_RUNTIME_DIR", "/run/user/7")]);
    assert_eq!(config.socket, Path::new("/run/user/7/larder/larder.sock"));
    assert_eq!(config.socket_mode, 0o660);
    assert_eq!(config.tcp, None);
    assert!(!config.tcp_any);
    assert_eq!(config.memory, (1 << 30) - (1 << 30) / 5);
    assert_eq!(config.memory_origin, "80% of the cgroup limit 1 GiB of /sys/fs/cgroup/memory.max");
    assert_eq!(config.maxmemory_policy, Family::AllKeys);
    assert_eq!(config.max_value, 64 << 20);
    assert_eq!(config.max_clients, 10_000);
    assert_eq!(config.databases, 16);
    assert_eq!(config.workers, 1);
    assert_eq!(config.metrics, Some("127.0.0.1:9418".parse().unwrap()));
    assert!(config.password.is_none());
    assert_eq!(config.password_file, None);
    assert_eq!(config.allow_uids, [0; 0]);
    assert_eq!(config.log, LogFormat::Text);
    assert_eq!(config.log_level, LogLevel::Info);
    assert_eq!(config.drain_timeout, Duration::from_secs(20));
    assert_eq!(config.idle_timeout, Duration::ZERO);
    assert!(!config.debug_commands);
    assert_eq!((&config.disk, &config.at_rest_key), (&None, &None));
    assert_eq!((config.disk_size, config.volume_limit), (DiskSize::Auto, None));
    assert_eq!((config.disk_write_rate, config.disk_min_ttl_ms, config.disk_timeout_ms), (0, 1000, 100));
    assert!(config.seal);
    // With little memory the longest value is an eighth of it.
    assert_eq!(World::new().config(&["--memory", "8MiB"], &[]).max_value, 1 << 20);
}

#[test]
fn what_is_printed_is_a_file_that_sets_the_same() {
    let world = World::new();
    let password = world.write("pass word: #\"1\"", "hunter2");
    let args = [
        "--socket=/tmp/a b.sock",
        "--tcp=[::1]:0",
        "--password-file",
        &password,
        "--allow-uid=7,5",
        "--memory=100000000",
        "--max-value=3MiB",
        "--metrics=off",
        "--idle-timeout=1500ms",
        "--socket-mode=600",
        "--log=json",
    ];
    let first = world.print(&args, &[]);
    let file = world.write("again.yaml", &first);
    let second = world.print(&["--config", &file], &[]);
    let values = |text: &str| {
        text.lines().map(|line| line.split("  # ").next().unwrap().trim_end().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(values(&first), values(&second));
    assert!(first.contains("socket: \"/tmp/a b.sock\""), "{first}");
    assert!(first.contains("allow_uid: \"5,7\""), "{first}");
    assert!(first.contains("socket_mode: \"0600\""), "{first}");
    assert!(!first.contains("hunter2"), "{first}");
    assert!(first.contains("memory: 100000000"), "{first}");
    // A computed size says how.
    let line = |text: &str| text.lines().find(|line| line.starts_with("memory: ")).unwrap().to_owned();
    assert!(line(&first).ends_with("  # flag"), "{first}");
    let how = "80% of the cgroup limit 1 GiB of /sys/fs/cgroup/memory.max";
    assert!(line(&world.print(&[], &[])).ends_with(&format!("  # default ({how})")));
    assert!(line(&world.print(&["--memory=auto"], &[])).ends_with(&format!("  # flag ({how})")));
}

#[test]
fn each_source_names_itself_in_errors() {
    let world = World::new();
    let file = world.write("larder.yaml", "log: json\nmemory: 4x\n");
    let wrong = world.wrong(&["--config", &file, "--memory", "1MiB"], &[("LARDER_MEMORY", "-1")]);
    let not_a_size = "write a whole number with a unit, such as 64MiB or 1GiB, or a number of bytes";
    assert_eq!(
        wrong,
        format!(
            "{file}:2: memory: \"4x\": not a size, there is no unit \"x\": {not_a_size}\n\
             LARDER_MEMORY: \"-1\": negative: it must be zero or more\n\
             --memory: \"1MiB\": too small: at least 8MiB"
        )
    );
    assert_eq!(world.wrong(&["--workers="], &[]), "--workers: \"\": empty: give a value, or leave it out");
}

#[test]
fn every_setting_refuses_nonsense_with_its_name() {
    let world = World::new();
    for setting in SETTINGS {
        // Any text is a path; NUL cannot come by a real command line, but by the file's escapes.
        let file = world.write("larder.yaml", &format!("{}: \"\\0\"\n", setting.key()));
        let wrong = world.wrong(&["--config", &file], &[]);
        assert!(wrong.starts_with(&format!("{file}:1: {}: ", setting.key())), "{wrong}");
    }
}

#[test]
fn values_that_do_not_go_together() {
    let world = World::new();
    let password = world.write("password", "hunter2\n");
    let alone = "tcp 0.0.0.0:6379 is reachable from outside this host or pod: listen on 127.0.0.1 or [::1], or allow \
                 it with --tcp-any and a --password-file";
    assert_eq!(world.wrong(&["--tcp", "0.0.0.0:6379"], &[]), alone);
    assert_eq!(world.wrong(&["--tcp", "0.0.0.0:6379", "--password-file", &password], &[]), alone);
    assert_eq!(
        world.wrong(&["--tcp", "[::]:6379", "--tcp-any"], &[]),
        "tcp [::]:6379 is reachable from outside this host or pod, and no password is set: anyone who reaches it could \
         read and change everything; add a --password-file"
    );
    let config = world.config(&["--tcp", "0.0.0.0:6379", "--tcp-any", "--password-file", &password], &[]);
    assert_eq!(config.tcp, Some("0.0.0.0:6379".parse().unwrap()));
    assert!(config.password.unwrap().matches(b"hunter2"));
    for loopback in ["127.0.0.1:6379", "127.8.8.8:6379", "[::1]:0", "localhost:6379"] {
        assert!(world.config(&["--tcp", loopback], &[]).tcp.is_some());
    }
    assert_eq!(
        world.wrong(&["--memory", "64MiB", "--max-value", "17MiB"], &[]),
        "max-value 17 MiB is more than a quarter of memory 64 MiB: the buffers of all connections together may take a \
         quarter, so such a value could never arrive; lower --max-value to 16MiB or less, or raise --memory"
    );
    assert_eq!(world.config(&["--memory", "64MiB", "--max-value", "16MiB"], &[]).max_value, 16 << 20);
}

#[test]
fn settings_without_effect_are_warnings() {
    let world = World::new();
    let warnings = world.load(&["--tcp-any", "--allow-uid", "1000"], &[]).unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "tcp-any has no effect without tcp: give --tcp ADDR, or drop --tcp-any",
            "allow-uid has no effect without a password: give --password-file FILE, or drop --allow-uid",
        ]
    );
    assert_eq!(world.load(&[], &[]).unwrap().warnings, [""; 0]);
}

#[test]
fn a_password_that_cannot_be_read_names_the_file_and_who_set_it() {
    let world = World::new();
    assert_eq!(
        world.wrong(&[], &[("LARDER_PASSWORD_FILE", "/nowhere/pw")]),
        "password file \"/nowhere/pw\" (environment LARDER_PASSWORD_FILE): cannot be read: No such file or directory \
         (os error 2); correct the path or the file's permissions"
    );
    let empty = world.write("empty", "\n");
    assert!(
        world
            .wrong(&["--password-file", &empty], &[])
            .contains("(flag): is empty: write the password into it")
    );
    let config = world.config(&["--password-file", "off"], &[("LARDER_PASSWORD_FILE", "/nowhere/pw")]);
    assert!(config.password.is_none() && config.password_file.is_none());
}

#[test]
fn the_password_is_nowhere_in_what_can_be_shown() {
    let world = World::new();
    let password = world.write("password", "hunter2\n");
    let config = world.config(&["--password-file", &password], &[]);
    assert!(config.password.as_ref().unwrap().matches(b"hunter2"));
    assert!(!format!("{config:?} {config:#?}").contains("hunter2"));
    let printed = world.print(&["--password-file", &password], &[]);
    assert!(printed.contains(&password) && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn the_environment_names_the_file_unless_a_flag_does() {
    let world = World::new();
    let by_env = world.write("env.yaml", "workers: 2\n");
    let by_flag = world.write("flag.yaml", "workers: 3\n");
    let env = [("LARDER_CONFIG", by_env.as_str())];
    assert_eq!(world.config(&[], &env).workers, 2);
    assert_eq!(world.config(&["--config", &by_flag], &env).workers, 3);
    assert_eq!(world.config(&[], &[("LARDER_CONFIG", "")]).workers, 1);
    assert!(
        world
            .wrong(&[], &[("LARDER_CONFIG", "/nowhere.yaml")])
            .contains("named by LARDER_CONFIG: No such file")
    );
}

#[test]
fn empty_variables_and_those_of_kubernetes_change_nothing() {
    let world = World::new();
    let env =
        [("LARDER_MEMORY", ""), ("LARDER_PORT", "tcp://10.0.0.7:6379"), ("LARDER_SERVICE_HOST", "10.0.0.7")];
    let loaded = world.load(&["--print-config"], &env).unwrap();
    assert_eq!(loaded.warnings, [""; 0]);
    assert!(matches!(loaded.invocation, Invocation::PrintConfig(text) if text == world.print(&[], &[])));
    let loaded = world.load(&[], &[("LARDER_MEMROY", "1GiB")]).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn a_variable_that_is_not_utf8_is_an_error_if_it_is_a_setting() {
    use std::os::unix::ffi::OsStringExt;
    let world = World::new();
    let latin = || OsString::from_vec(b"/tmp/\xe9".to_vec());
    let load = |name: &str| load_under(world.root.path(), os_args(&[]), [(OsString::from(name), latin())]);
    assert_eq!(
        load("LARDER_SOCKET").unwrap_err().to_string(),
        "LARDER_SOCKET: \"/tmp/\\xE9\": not UTF-8: write it in UTF-8"
    );
    assert!(load("OTHER").is_ok());
    // Neither is an argument: clap says so.
    let args = [OsString::from("larder-agent"), OsString::from("--socket"), latin()];
    assert_eq!(load_under(world.root.path(), args, []).unwrap_err().exit_code(), 64);
}

#[test]
fn check_config_and_ping() {
    let world = World::new();
    assert!(matches!(world.load(&["--check-config"], &[]).unwrap().invocation, Invocation::CheckedConfig));
    assert_eq!(world.load(&["--check-config", "--memory=1"], &[]).unwrap_err().exit_code(), 78);
    assert_eq!(world.load(&["--chekc-config"], &[]).unwrap_err().exit_code(), 64);
    let password = world.write("password", "hunter2");
    let ping = world
        .load(&["ping", "--tcp", "10.0.0.1:6379", "--password-file", &password], &[("LARDER_SOCKET", "/s")]);
    // A probe of another host's agent does not listen there: what holds for listening does not hold for it.
    let Ok(Loaded { invocation: Invocation::Ping(config), .. }) = ping else { panic!("{ping:?}") };
    assert_eq!(config.socket, Path::new("/s"));
    assert_eq!(config.tcp, Some("10.0.0.1:6379".parse().unwrap()));
    assert_eq!(config.password.unwrap().expose(), b"hunter2");
    assert_eq!(world.load(&["ping", "--tcp=x"], &[]).unwrap_err().exit_code(), 78);
}

#[test]
fn a_reload_takes_what_may_change_and_names_the_rest() {
    let world = World::new();
    let (one, two) = (world.write("one", "hunter2"), world.write("two", "hunter3"));
    let before = format!("password_file: {one}\n");
    let file = world.write("larder.yaml", &before);
    let args = ["--config", file.as_str()];
    let config = world.config(&args, &[]);
    let reload = |config: &Config| config.reload_under(world.root.path(), os_args(&args), os_env(&[]));

    let (same, need_restart) = reload(&config).unwrap();
    assert_eq!(format!("{same:?}"), format!("{config:?}"));
    assert_eq!(need_restart, [""; 0]);

    world.write(
        "larder.yaml",
        &format!(
            "memory: 64MiB\nmaxmemory_policy: volatile\nmax_value: 1MiB\nmax_clients: 5\npassword_file: {two}\n\
             allow_uid: 7\nlog_level: debug\ndrain_timeout: 1s\nidle_timeout: 2s\n"
        ),
    );
    let (live, need_restart) = reload(&config).unwrap();
    assert_eq!(need_restart, [""; 0]);
    assert_eq!((live.memory, live.max_value, live.max_clients), (64 << 20, 1 << 20, 5));
    assert_eq!((live.maxmemory_policy, live.log_level), (Family::Volatile, LogLevel::Debug));
    assert!(live.password.unwrap().matches(b"hunter3"));
    assert_eq!(live.allow_uids, [7]);
    assert_eq!((live.drain_timeout, live.idle_timeout), (Duration::from_secs(1), Duration::from_secs(2)));

    world.write(
        "larder.yaml",
        &format!(
            "socket: /s\nsocket_mode: 0600\ntcp: 127.0.0.1:1\ntcp_any: true\ndatabases: 3\nworkers: 2\nmetrics: off\n\
             disk: /d\ndisk_size: 5MiB\nvolume_limit: 1GiB\ndisk_write_rate: 1MiB\ndisk_min_ttl: 0\n\
             disk_timeout: 1s\nseal: off\nat_rest_key: {one}\nlog: json\ndebug_commands: true\n"
        ),
    );
    let (kept, need_restart) = reload(&config).unwrap();
    assert_eq!(
        need_restart,
        [
            "socket",
            "socket-mode",
            "tcp",
            "tcp-any",
            "databases",
            "disk",
            "disk-size",
            "volume-limit",
            "disk-write-rate",
            "disk-min-ttl",
            "disk-timeout",
            "seal",
            "at-rest-key",
            "metrics",
            "log",
            "workers",
            "debug-commands"
        ]
    );
    assert!(kept.password.is_none(), "the password is live");
    for (setting, name) in SETTINGS.iter().filter(|setting| setting.fixed.is_some()).zip(&need_restart) {
        assert_eq!(setting.name, name);
        assert_eq!((setting.show)(&kept), (setting.show)(&config), "{name}");
    }
}

#[test]
fn a_reload_with_a_mistake_changes_nothing_and_says_why() {
    let world = World::new();
    let password = world.write("password", "hunter2");
    let file =
        world.write("larder.yaml", &format!("tcp: 0.0.0.0:6379\ntcp_any: true\npassword_file: {password}\n"));
    let args = ["--config", file.as_str()];
    let config = world.config(&args, &[]);
    let reload = || config.reload_under(world.root.path(), os_args(&args), os_env(&[]));
    world.write("larder.yaml", "memory: 1\n");
    assert!(reload().unwrap_err().to_string().contains("too small: at least 8MiB"));
    // Good for a restart; but the open listener stays until then, and must not lose its password.
    world.write("larder.yaml", "log: text\n");
    assert!(reload().unwrap_err().to_string().contains("no password is set"));
}

#[test]
fn a_reload_sees_a_changed_cgroup_limit() {
    let world = World::new();
    let config = world.config(&[], &[]);
    world.write("sys/fs/cgroup/memory.max", "536870912\n");
    let (config, need_restart) = config.reload_under(world.root.path(), os_args(&[]), os_env(&[])).unwrap();
    assert_eq!(config.memory_origin, "80% of the cgroup limit 512 MiB of /sys/fs/cgroup/memory.max");
    assert_eq!((config.memory, config.max_value), (429_496_730, 53_687_091));
    assert_eq!(need_restart, [""; 0]);
}

#[test]
fn the_real_machine_loads() {
    let loaded = load(os_args(&["--check-config"]), []).unwrap();
    assert!(matches!(loaded.invocation, Invocation::CheckedConfig));
    let config = load(os_args(&["--memory=64MiB"]), []).unwrap().invocation;
    let Invocation::Serve(config) = config else { panic!("{config:?}") };
    let (config, need_restart) = config.reload(os_args(&["--memory=32MiB"]), []).unwrap();
    assert_eq!((config.memory, need_restart.len()), (32 << 20, 0));
    assert_eq!(config.effective_clients(100).0, 28);
}
