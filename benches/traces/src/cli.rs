//! The command line.

use clap::Parser;

/// Replays access traces through the cache as shipped and sets its hit ratio beside fixed eviction policies.
///
/// Real traces are set beside the table that is published with them, made-up patterns and those by bytes beside our own runs of
/// the same policies. A row is met when the cache is at most one point under the best fixed policy there, and the mean over
/// the real traces when it is above every fixed policy's mean. All counts repeat exactly but for the cache's own hash seed.
#[derive(Parser)]
#[command(name = "traces", version, max_term_width = 110)]
pub(crate) struct Cli {
    /// Takes only the rows whose name is one of these, or contains one that ends in "*"
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Also runs the fixed policies over the real traces, and says where they differ from the published table
    #[arg(long)]
    pub(crate) references: bool,
    /// Prints every fixed policy's hit ratio and the optimum
    #[arg(long)]
    pub(crate) full: bool,
    /// Exits 3 if a row or the mean was missed
    #[arg(long)]
    pub(crate) gate: bool,
}

impl Cli {
    /// False for rows left out by `--only`.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let is_it = |wanted: &String| match wanted.strip_suffix('*') {
            Some(part) => name.contains(part),
            None => name == wanted,
        };
        self.only.is_empty() || self.only.iter().any(is_it)
    }
}
