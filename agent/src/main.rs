//! `larder-agent`: parses flags and owns the exit codes.

use std::io::Write;
use std::process::ExitCode;

use larder_agent::config::{Invocation, load};
use larder_agent::{log, ping, run};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Something failed while running.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let loaded = match load(std::env::args_os(), std::env::vars_os()) {
        Ok(loaded) => loaded,
        Err(error) => return fail(error.exit_code(), &error),
    };
    let result = match loaded.invocation {
        Invocation::Shown => Ok(()),
        Invocation::CheckedConfig => {
            loaded.warnings.iter().for_each(|warning| say(warning));
            Ok(())
        }
        // A closed pipe is the reader's choice.
        Invocation::PrintConfig(text) => std::io::stdout().write_all(text.as_bytes()).or(Ok(())),
        Invocation::Ping(config) => ping::ping(&config),
        Invocation::Serve(config) => log::start(&config).and_then(|level| {
            loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            run::run(*config, &level)
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILURE, &format_args!("{error:#}")),
    }
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    say(&error.to_string());
    ExitCode::from(code)
}

/// Tells the person who started us; there may be nobody to read it.
fn say(text: &str) {
    let text = text.trim_end();
    let prefix =
        if text.starts_with("error:") || text.starts_with("larder-agent:") { "" } else { "larder-agent: " };
    let _ = writeln!(std::io::stderr(), "{prefix}{text}");
}
