//! What both Rust client checks use: it counts what held, and the first thing that did not is an error.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

/// Counts checks.
#[derive(Default)]
pub struct Checks(u32);

impl Checks {
    /// Holds if `got` is `want`.
    pub fn equal<G: PartialEq<W> + Debug, W: Debug>(&mut self, what: &str, got: G, want: W) -> Result<()> {
        if got != want {
            bail!("{what}: got {:.200}, want {:.200}", format!("{got:?}"), format!("{want:?}"));
        }
        self.0 += 1;
        Ok(())
    }

    /// Holds if `reply` is an error with `text` in it.
    pub fn fails<T: Debug, E: Display>(&mut self, what: &str, reply: Result<T, E>, text: &str) -> Result<()> {
        match reply {
            Ok(value) => bail!("{what}: got {value:?}, want an error with {text:?}"),
            Err(error) => ensure!(error.to_string().contains(text), "{what}: {error}, want {text:?} in it"),
        }
        self.0 += 1;
        Ok(())
    }

    /// Holds if what was stored at `stored` (an instant before it was sent) is there at once and gone after `ttl`,
    /// not much sooner.
    pub async fn expires<F: Future<Output = Result<bool>>>(
        &mut self,
        what: &str,
        stored: Instant,
        ttl: Duration,
        mut there: impl FnMut() -> F,
    ) -> Result<()> {
        ensure!(there().await?, "{what}: not there at first");
        while there().await? {
            ensure!(
                stored.elapsed() < ttl + Duration::from_secs(2),
                "{what}: there 2 s after its {ttl:?} were over"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // A millisecond of rounding is the server's to give away.
        let lived = stored.elapsed();
        ensure!(lived + Duration::from_millis(2) >= ttl, "{what}: lived {lived:?} of {ttl:?}");
        self.0 += 1;
        Ok(())
    }

    /// Prints the closing line, and gives the exit code that goes with it.
    pub fn done(&self, name: &str, outcome: Result<()>) -> ExitCode {
        match outcome {
            Ok(()) => {
                println!("ok: {name} ({} checks)", self.0);
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("FAILED: {name}: {error} (after {} checks)", self.0);
                ExitCode::FAILURE
            }
        }
    }
}

/// Bytes of every value, CRLF among them, repeated to 1 MiB.
pub fn megabyte() -> Vec<u8> {
    (0..1_u32 << 20).map(|i| (i * 7) as u8).collect()
}
