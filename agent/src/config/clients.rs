//! How many clients fit the limit of open files.

/// Files open beside clients: standard streams, listeners, the log, the cgroup's files, metrics connections.
const OTHERS: u64 = 64;
/// Files a worker opens for itself: epoll, wake-up, its share of the listeners.
const PER_WORKER: u64 = 8;

/// The smaller of `asked` and what fits under `fd_limit`, at least 1; and what to tell the operator if it is
/// less.
pub(super) fn effective(asked: u32, workers: u16, fd_limit: u64) -> (u32, Option<String>) {
    let reserved = OTHERS + PER_WORKER * u64::from(workers);
    let fits = fd_limit.saturating_sub(reserved).max(1);
    match u32::try_from(fits) {
        Ok(fits) if fits < asked => (
            fits,
            Some(format!(
                "max-clients is {fits}, not {asked}: this process may open {fd_limit} files and keeps {reserved} for \
                 itself; raise the limit of open files to {} (ulimit -Hn, LimitNOFILE=), or set --max-clients to \
                 {fits}",
                u64::from(asked) + reserved
            )),
        ),
        _ => (asked, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_files_change_nothing() {
        assert_eq!(effective(10_000, 1, 10_072), (10_000, None));
        assert_eq!(effective(10_000, 1, u64::MAX), (10_000, None));
    }

    #[test]
    fn too_few_files_mean_fewer_clients_and_a_warning_with_both_ways_out() {
        let (clients, warning) = effective(10_000, 2, 1_024);
        assert_eq!(clients, 944);
        assert_eq!(
            warning.unwrap(),
            "max-clients is 944, not 10000: this process may open 1024 files and keeps 80 for itself; raise the limit \
             of open files to 10080 (ulimit -Hn, LimitNOFILE=), or set --max-clients to 944"
        );
        let (clients, warning) = effective(944, 2, 1_024);
        assert_eq!((clients, warning), (944, None));
        assert_eq!(effective(10_000, 1, 0).0, 1);
    }
}
