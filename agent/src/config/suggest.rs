//! "Did you mean": the known name nearest to one that is not known.

/// The candidate most like `name`, if any is like it at all.
pub(super) fn nearest(name: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    // Jaro-Winkler favours a common beginning, as typing errors do; 0.8 lets `memroy` and `password` (for
    // `password_file`) find their names and keeps `colour` from finding any.
    const LIKE_ENOUGH: f64 = 0.8;
    let name = name.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > LIKE_ENOUGH)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    #[test]
    fn near_misses_find_their_name_and_others_none() {
        let keys = || SETTINGS.iter().map(|setting| setting.key());
        for (miss, meant) in [
            ("memroy", "memory"),
            ("Memory", "memory"),
            ("max-memory-policy", "maxmemory_policy"),
            ("socketmode", "socket_mode"),
            ("socket-mode", "socket_mode"),
            ("password", "password_file"),
            ("maxclients", "max_clients"),
            ("database", "databases"),
            ("allow_uids", "allow_uid"),
            ("loglevel", "log_level"),
        ] {
            assert_eq!(nearest(miss, keys()).as_deref(), Some(meant), "{miss}");
        }
        for miss in ["colour", "x", "", "replicas"] {
            assert_eq!(nearest(miss, keys()), None, "{miss}");
        }
    }
}
