//! Looks at the file of the keys at rest, whose content is the engine's alone to read.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::password::seen_by_all;

/// A warning if others may read the file; or why it cannot be read, and what to do.
pub(super) fn look(path: &Path) -> Result<Option<String>, String> {
    let unreadable = |what: &dyn std::fmt::Display| {
        format!("cannot be read: {what}; correct the path or the file's permissions")
    };
    let metadata = File::open(path).and_then(|file| file.metadata()).map_err(|error| unreadable(&error))?;
    if metadata.is_dir() {
        return Err(unreadable(&"it is a directory"));
    }
    if metadata.is_file() && metadata.len() == 0 {
        return Err("is empty: write a line NUMBER:KEY into it, or drop at-rest-key".to_owned());
    }
    Ok(seen_by_all("at-rest-key file", path, metadata.mode()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_can_be_read_is_good_and_one_for_all_eyes_a_warning() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "1:AAAA").unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(0o640)).unwrap();
        assert_eq!(look(file.path()), Ok(None));
        fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
        let warning = look(file.path()).unwrap().unwrap();
        assert!(warning.starts_with("at-rest-key file "), "{warning}");
        assert!(warning.contains("can be read by every user (mode 0644)"), "{warning}");
        assert!(!warning.contains("AAAA"), "{warning}");
    }

    #[test]
    fn what_cannot_hold_a_key_is_an_error() {
        let way_out = "correct the path or the file's permissions";
        assert_eq!(
            look(Path::new("/nowhere/keys")).unwrap_err(),
            format!("cannot be read: No such file or directory (os error 2); {way_out}")
        );
        assert_eq!(
            look(Path::new("/")).unwrap_err(),
            format!("cannot be read: it is a directory; {way_out}")
        );
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(look(empty.path()).unwrap_err().starts_with("is empty: "));
    }
}
