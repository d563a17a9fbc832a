//! Figures with their targets: the table on standard output and the JSON file say the same.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::stats::Interval;

/// What a noisy figure may exceed its target by and still count as met, applied to its upper bound.
const NOISE_ALLOWED: f64 = 1.05;

/// Everything one run of the program found out.
#[derive(Serialize)]
pub(crate) struct Report {
    /// True if the runs were short: such figures are not to be quoted.
    pub(crate) quick: bool,
    /// What was measured: one line for each program, with its own version text.
    pub(crate) programs: Vec<String>,
    /// The kernel and the cores.
    pub(crate) machine: String,
    /// The figures in the order in which they were taken.
    pub(crate) figures: Vec<Figure>,
}

/// One measured value.
#[derive(Serialize)]
pub(crate) struct Figure {
    measurement: &'static str,
    name: String,
    value: f64,
    unit: &'static str,
    interval_95: Option<[f64; 2]>,
    beside: Vec<Beside>,
    target_at_most: Option<f64>,
    aim: Option<f64>,
    met: Option<bool>,
    note: Option<String>,
}

/// The same thing measured on another program, or what a ratio was computed from.
#[derive(Serialize)]
struct Beside {
    name: String,
    value: f64,
    unit: &'static str,
}

impl Figure {
    /// A count, which repeats exactly and needs no interval.
    pub(crate) fn new(
        measurement: &'static str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Figure {
            measurement,
            name: name.into(),
            value,
            unit,
            interval_95: None,
            beside: Vec::new(),
            target_at_most: None,
            aim: None,
            met: None,
            note: None,
        }
    }

    /// A median with its interval.
    pub(crate) fn noisy(
        measurement: &'static str,
        name: impl Into<String>,
        interval: Interval,
        unit: &'static str,
    ) -> Self {
        let mut figure = Self::new(measurement, name, interval.median, unit);
        figure.interval_95 = Some([interval.low, interval.high]);
        figure
    }

    /// Adds what another program costs, or a part of the figure.
    pub(crate) fn beside(mut self, name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        self.beside.push(Beside { name: name.into(), value, unit });
        self
    }

    /// Sets what the figure must not exceed, and judges it.
    pub(crate) fn at_most(mut self, target: f64) -> Self {
        let met = match self.interval_95 {
            Some([_, high]) => high <= target * NOISE_ALLOWED,
            None => self.value <= target,
        };
        self.target_at_most = Some(target);
        self.met = Some(met);
        self
    }

    /// Sets what we would like to see; it is printed, not judged.
    pub(crate) fn aim(mut self, aim: f64) -> Self {
        self.aim = Some(aim);
        self
    }

    /// Says what a reader must know to read the figure rightly.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// A figure that can't be right (entries were lost, say) misses its target whatever its value.
    pub(crate) fn spoilt(mut self, why: impl Into<String>) -> Self {
        self.met = self.met.map(|_| false);
        self.note = Some(why.into());
        self
    }

    fn cells(&self) -> [String; 5] {
        let mut value = with_unit(self.value, self.unit);
        if let Some([low, high]) = self.interval_95 {
            value.push_str(&format!(" [{}, {}]", number(low), number(high)));
        }
        let target = match (self.target_at_most, self.aim) {
            (Some(target), Some(aim)) => format!("<= {} (aim {})", number(target), number(aim)),
            (Some(target), None) => format!("<= {}", number(target)),
            (None, _) => "-".to_owned(),
        };
        let verdict = match self.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "-",
        };
        let mut beside: Vec<String> =
            self.beside.iter().map(|b| format!("{} {}", b.name, with_unit(b.value, b.unit))).collect();
        beside.extend(self.note.clone());
        [self.name.clone(), value, target, verdict.to_owned(), beside.join("; ")]
    }
}

impl Report {
    /// How many figures have missed their targets.
    pub(crate) fn missed(&self) -> usize {
        self.figures.iter().filter(|figure| figure.met == Some(false)).count()
    }

    /// Prints the figures as a table, one block for each measurement.
    pub(crate) fn print(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        for program in &self.programs {
            writeln!(out, "{program}")?;
        }
        writeln!(out, "{}", self.machine)?;
        if self.quick {
            writeln!(out, "quick run: these figures show that the bench works and are not to be quoted")?;
        }
        let heads = ["figure", "measured", "target", "verdict", "beside it"].map(str::to_owned);
        let rows: Vec<[String; 5]> = self.figures.iter().map(Figure::cells).collect();
        let width = |column: usize| {
            rows.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2), width(3), 0];
        let mut block = "";
        for (figure, row) in self.figures.iter().zip(&rows) {
            if figure.measurement != block {
                block = figure.measurement;
                writeln!(out, "\n{block}")?;
                write_row(out, &heads, &widths)?;
            }
            write_row(out, row, &widths)?;
        }
        let judged = self.figures.iter().filter(|figure| figure.met.is_some()).count();
        writeln!(out, "\n{} of {judged} targets met", judged - self.missed())
    }

    /// Writes the report as JSON.
    pub(crate) fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec_pretty(self).context("cannot turn the figures into JSON")?;
        text.push(b'\n');
        std::fs::write(path, text).with_context(|| format!("cannot write the figures to {}", path.display()))
    }
}

/// Tells the person waiting what is being done; figures go to standard output, this does not.
pub(crate) fn progress(text: &str) {
    // Nobody reading it is no reason to stop measuring.
    let _ = writeln!(std::io::stderr(), "peers: {text}");
}

fn write_row(out: &mut dyn std::io::Write, row: &[String; 5], widths: &[usize; 5]) -> std::io::Result<()> {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        line.push_str(&format!("  {cell:<width$}"));
    }
    writeln!(out, "{}", line.trim_end())
}

fn with_unit(value: f64, unit: &str) -> String {
    if unit.is_empty() { number(value) } else { format!("{} {unit}", number(value)) }
}

/// Three digits that mean something, and no more.
fn number(value: f64) -> String {
    let size = value.abs();
    let decimals = if size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_judged_as_it_is_and_a_median_by_its_upper_bound() {
        assert_eq!(Figure::new("m", "n", 2.001, "").at_most(2.0).met, Some(false));
        assert_eq!(Figure::new("m", "n", 2.0, "").at_most(2.0).met, Some(true));
        let noisy =
            |high| Figure::noisy("m", "n", Interval { low: 0.9, median: 1.0, high }, "").at_most(1.0).met;
        assert_eq!(noisy(1.05), Some(true));
        assert_eq!(noisy(1.06), Some(false));
    }

    #[test]
    fn a_spoilt_figure_is_never_met() {
        assert_eq!(Figure::new("m", "n", 1.0, "").at_most(2.0).spoilt("entries lost").met, Some(false));
        assert_eq!(Figure::new("m", "n", 1.0, "").spoilt("entries lost").met, None);
    }
}
