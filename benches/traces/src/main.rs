//! `traces`: replays access traces through the cache as shipped and sets its hit ratio beside fixed policies.
//!
//! Exit codes: 0 measured, 1 something failed, 2 wrong usage, 3 a target was missed (only with `--gate`).

mod cli;
mod decode;
mod measure;
mod random;
mod reference;
mod replay;
mod report;
mod rows;
mod sized;
mod synthetic;
mod trace;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::cli::Cli;
use crate::report::progress;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(missed) if missed > 0 && cli.gate => ExitCode::from(3),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports; returns how many targets were missed.
fn run(cli: &Cli) -> anyhow::Result<usize> {
    let rows: Vec<_> = rows::all().into_iter().filter(|row| cli.wants(&row.name)).collect();
    anyhow::ensure!(!rows.is_empty(), "--only leaves no row");
    let mut measured = Vec::new();
    for row in &rows {
        progress(&row.name);
        let one = measure::measure(row, cli.references, cli.full);
        measured.push(one.with_context(|| row.name.clone())?);
    }
    report::print(&mut std::io::stdout().lock(), &measured, cli.full).context("cannot print the table")
}
