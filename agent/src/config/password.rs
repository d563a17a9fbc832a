//! Reads the password file.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::secret::Secret;

/// The longest password, in bytes: a longer file is not a password's.
const LONGEST_BYTES: u64 = 4096;

/// The password, and a warning if others may read it; or what is wrong and what to do.
pub(super) fn read(path: &Path) -> Result<(Secret, Option<String>), String> {
    let unreadable = |error| format!("cannot be read: {error}; correct the path or the file's permissions");
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode();
    let mut bytes = Vec::new();
    // One byte for the newline's sake, one carriage return, and one to see that there is more.
    file.take(LONGEST_BYTES + 3).read_to_end(&mut bytes).map_err(unreadable)?;
    let password = match bytes.as_slice() {
        [password @ .., b'\r', b'\n'] | [password @ .., b'\n'] => password,
        password => password,
    };
    if password.is_empty() {
        return Err("is empty: write the password into it, or drop password-file to ask for none".to_owned());
    }
    if password.len() as u64 > LONGEST_BYTES {
        return Err(format!("is longer than {LONGEST_BYTES} bytes: is it the right file?"));
    }
    Ok((Secret::new(password), seen_by_all("password file", path, mode)))
}

/// A warning, if the file of a secret may be read by others.
pub(super) fn seen_by_all(what: &str, path: &Path, mode: u32) -> Option<String> {
    (mode & 0o004 != 0).then(|| {
        format!(
            "{what} {path:?} can be read by every user (mode {:04o}): take that away with chmod o-r, or defaultMode: 0440 \
             of a Kubernetes secret volume",
            mode & 0o7777
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(bytes: &[u8], mode: u32) -> tempfile::TempPath {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        file.into_temp_path()
    }

    #[test]
    fn one_trailing_newline_does_not_count() {
        for (bytes, password) in [
            (&b"hunter2"[..], &b"hunter2"[..]),
            (b"hunter2\n", b"hunter2"),
            (b"hunter2\r\n", b"hunter2"),
            (b"hunter2\n\n", b"hunter2\n"),
            (b" \xff ", b" \xff "),
        ] {
            let (secret, warning) = read(&file(bytes, 0o600)).unwrap();
            assert!(secret.matches(password), "{bytes:?}");
            assert_eq!(warning, None);
        }
    }

    #[test]
    fn a_file_without_a_password_is_an_error() {
        for bytes in [&b""[..], b"\n", b"\r\n"] {
            let error = read(&file(bytes, 0o600)).unwrap_err();
            assert_eq!(error, "is empty: write the password into it, or drop password-file to ask for none");
        }
        let longest = vec![b'x'; 4096];
        assert!(read(&file(&[longest.as_slice(), b"\r\n"].concat(), 0o600)).unwrap().0.matches(&longest));
        let error = read(&file(&[b'x'; 4097], 0o600)).unwrap_err();
        assert_eq!(error, "is longer than 4096 bytes: is it the right file?");
        let error = read(Path::new("/nowhere/password")).unwrap_err();
        assert_eq!(
            error,
            "cannot be read: No such file or directory (os error 2); correct the path or the file's permissions"
        );
        assert!(read(Path::new("/")).unwrap_err().starts_with("cannot be read: Is a directory"));
    }

    #[test]
    fn a_file_for_all_eyes_is_a_warning_without_the_password() {
        let path = file(b"hunter2", 0o644);
        let warning = read(&path).unwrap().1.unwrap();
        assert!(warning.contains("can be read by every user (mode 0644)"), "{warning}");
        assert!(!warning.contains("hunter2"), "{warning}");
        assert_eq!(read(&file(b"hunter2", 0o640)).unwrap().1, None);
    }
}
