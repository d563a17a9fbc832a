//! The table on standard output.

use std::io::Write;

use crate::measure::{Measured, POINTS_ALLOWED, REPRODUCED};
use crate::reference::Fixed;
use crate::rows::Block;

/// Tells the person waiting what is being done; figures go to standard output, this does not.
pub(crate) fn progress(text: &str) {
    // Nobody reading it is no reason to stop measuring.
    let _ = writeln!(std::io::stderr(), "traces: {text}");
}

/// Prints every row and returns how many targets were missed, the mean's included.
pub(crate) fn print(out: &mut dyn Write, rows: &[Measured], full: bool) -> std::io::Result<usize> {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(8);
    let mut block = None;
    let mut missed = 0;
    for row in rows {
        if block != Some(row.block) {
            block = Some(row.block);
            writeln!(out, "\n{}", row.block.title())?;
            writeln!(
                out,
                "  {:width$}  measured  best fixed                 difference  verdict  resident            rule changes",
                "row"
            )?;
        }
        missed += usize::from(!row.is_met());
        print_row(out, row, width)?;
        if full {
            print_all(out, row, width)?;
        }
        for (fixed, by) in &row.unlike {
            writeln!(
                out,
                "  {:width$}  our {} differs from the published one by {by:+.2}",
                "",
                fixed.name()
            )?;
        }
    }
    missed += print_means(out, rows)?;
    writeln!(
        out,
        "\n{missed} missed; allowed are {POINTS_ALLOWED} points under the best fixed policy of a row"
    )?;
    Ok(missed)
}

fn print_row(out: &mut dyn Write, row: &Measured, width: usize) -> std::io::Result<()> {
    let (best, hits) = row.best(|ratio| ratio.hits);
    let verdict = if row.is_met() { "met" } else { "MISSED" };
    let (resident, allowed) = row.resident;
    writeln!(
        out,
        "  {:width$}  {:8.2}  {:16} {hits:9.2}  {:+10.2}  {verdict:7}  {:18}  {:3}",
        row.name,
        row.cache.hits,
        best.name(),
        row.cache.hits - hits,
        format!("{resident} of {allowed}"),
        row.rule_changes,
    )?;
    if row.block == Block::Bytes {
        let (best, bytes) = row.best(|ratio| ratio.bytes);
        writeln!(
            out,
            "  {:width$}  {:8.2}  {:16} {bytes:9.2}  {:+10.2}  -",
            "  byte hits",
            row.cache.bytes,
            best.name(),
            row.cache.bytes - bytes
        )?;
    }
    Ok(())
}

fn print_all(out: &mut dyn Write, row: &Measured, width: usize) -> std::io::Result<()> {
    write!(out, "  {:width$} ", "")?;
    for (fixed, ratio) in Fixed::ALL.iter().zip(&row.fixed) {
        write!(out, " {} {:.2}", fixed.name(), ratio.hits)?;
    }
    writeln!(out, " optimum {:.2}", row.optimum)
}

/// The mean over the published rows, when all of them were measured; returns how many fixed policies' means are above it.
fn print_means(out: &mut dyn Write, rows: &[Measured]) -> std::io::Result<usize> {
    let mut above = 0;
    for block in [Block::Published, Block::Sharded] {
        let rows: Vec<_> = rows.iter().filter(|row| row.block == block).collect();
        if rows.len() < 8 {
            continue;
        }
        let mean = |figure: &dyn Fn(&Measured) -> f64| {
            rows.iter().map(|row| figure(row)).sum::<f64>() / rows.len() as f64
        };
        let own = mean(&|row| row.cache.hits);
        write!(out, "\nmean of: {}: {own:.2}; beside it", block.title())?;
        for (place, fixed) in Fixed::ALL.into_iter().enumerate() {
            let theirs = mean(&|row| row.fixed[place].hits);
            above += usize::from(theirs >= own);
            write!(out, " {} {theirs:.2}{}", fixed.name(), if theirs >= own { " MISSED" } else { "" })?;
        }
        writeln!(out)?;
    }
    if rows.iter().any(|row| !row.unlike.is_empty()) {
        writeln!(
            out,
            "our own runs of all other fixed policies are within {REPRODUCED} points of the published ones"
        )?;
    }
    Ok(above)
}
