//! The little statistics the ratios need: medians, percentiles, and an interval that assumes no distribution.

/// A median and its interval of at least 95 % confidence, from order statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    /// The lower bound.
    pub(crate) low: f64,
    /// The median itself.
    pub(crate) median: f64,
    /// The upper bound.
    pub(crate) high: f64,
}

/// The median of `values` with its interval; `values` is sorted on the way and must not be empty.
///
/// The bounds are the values of rank k and n + 1 - k with the largest k for which the median of *any* distribution
/// lies between them with 95 % probability: a ratio of CPU times on a shared machine is skewed and has outliers, so
/// nothing is assumed normal. Fewer than six values cannot give 95 %: their extremes are returned.
pub(crate) fn median_interval(values: &mut [f64]) -> Interval {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let k = rank(n);
    Interval { low: values[k - 1], median: median_of_sorted(values), high: values[n - k] }
}

/// The value below which `share` (0 to 1) of the sorted values lie; nearest rank, never interpolated.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

fn median_of_sorted(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The largest k (at least 1) with P(Binomial(n, 1/2) < k) at most 2.5 %.
fn rank(n: usize) -> usize {
    let mut term = 0.5_f64.powi(n as i32);
    let mut below = term;
    let mut k = 0;
    while below <= 0.025 {
        k += 1;
        term *= (n + 1 - k) as f64 / k as f64;
        below += term;
    }
    k.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_match_the_published_table() {
        // Conover, Practical Nonparametric Statistics: ranks for the median at 95 %.
        for (n, k) in [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (20, 6), (25, 8)] {
            assert_eq!(rank(n), k, "n = {n}");
        }
    }

    #[test]
    fn an_outlier_does_not_move_the_median() {
        let mut values = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 40.0, 1.01, 0.99, 1.0];
        let interval = median_interval(&mut values);
        assert_eq!(interval.median, 1.0);
        assert!(interval.high < 2.0, "{interval:?}");
        assert!(interval.low >= 0.9, "{interval:?}");
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let sorted: Vec<u64> = (1..=1000).collect();
        assert_eq!(percentile(&sorted, 0.5), 500);
        assert_eq!(percentile(&sorted, 0.999), 999);
        assert_eq!(percentile(&sorted, 1.0), 1000);
        assert_eq!(percentile(&[7], 0.5), 7);
    }
}
