//! Encryption at rest: the keys' file, and segments under AES-256-GCM.
//!
//! A sealed segment is the key's number, a random nonce, the ciphertext and its tag. What it is sealed *as*, the store's
//! incarnation and the segment's number, is authenticated and not stored: bytes that were moved elsewhere do not open.

use std::fmt;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, Generate, KeyInit, Nonce, Tag};
use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

/// Keys that one file may hold.
const KEYS_MAX: usize = 16;
const SECRET: usize = 32;
const NUMBER: usize = 4;
const NONCE: usize = 12;
const TAG: usize = 16;

/// Bytes that a seal adds to a segment.
pub(crate) const SEAL: usize = NUMBER + NONCE + TAG;

/// Why a keys' file was refused. Nothing of its content is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("line {line}: expected NUMBER:KEY")]
    Shape { line: usize },
    #[error("line {line}: the key's number is not between 0 and 4294967295")]
    Number { line: usize },
    #[error("line {line}: the key is not 32 bytes in base64 or hexadecimal digits")]
    Secret { line: usize },
    #[error("line {line}: this number was used in line {first}")]
    Twice { line: usize, first: usize },
    #[error("line {line}: more than {KEYS_MAX} keys")]
    TooMany { line: usize },
    #[error("there is no key")]
    None,
}

/// Why a sealed segment could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// No key of this number is known.
    Key,
    /// The bytes are not what was sealed under this key, number and incarnation.
    Seal,
}

struct AtRestKey {
    number: u32,
    /// Wiped when dropped, as is what [`Aes256Gcm`] derives from it.
    cipher: Box<Aes256Gcm>,
}

/// Keys for segments at rest: the first seals, all open.
pub(crate) struct Keys {
    keys: Vec<AtRestKey>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| key.number)).finish()
    }
}

impl Keys {
    /// Reads a keys' file: lines of `NUMBER:KEY`, the key 32 bytes in base64 or hexadecimal digits. Empty lines and lines that
    /// begin with `#` are skipped. The caller wipes the text.
    ///
    /// # Errors
    /// If a line is none of these, a number comes twice, or there is no key.
    pub(crate) fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys: Vec<AtRestKey> = Vec::new();
        let mut lines = Vec::new();
        for (line, content) in (1..).zip(text.lines().map(str::trim)) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if keys.len() == KEYS_MAX {
                return Err(KeysError::TooMany { line });
            }
            let (number, secret) = content.split_once(':').ok_or(KeysError::Shape { line })?;
            let number = number.trim().parse().map_err(|_| KeysError::Number { line })?;
            if let Some(at) = keys.iter().position(|key| key.number == number) {
                return Err(KeysError::Twice { line, first: lines[at] });
            }
            let secret = decode(secret.trim()).ok_or(KeysError::Secret { line })?;
            let cipher = Aes256Gcm::new_from_slice(&secret[..]).map_err(|_| KeysError::Secret { line })?;
            keys.push(AtRestKey { number, cipher: Box::new(cipher) });
            lines.push(line);
        }
        if keys.is_empty() { Err(KeysError::None) } else { Ok(Self { keys }) }
    }

    /// Seals a segment with the first key.
    ///
    /// # Errors
    /// If the system has no randomness, or the segment is longer than the cipher takes.
    pub(crate) fn seal(&self, incarnation: u64, number: u64, plain: &[u8]) -> Result<Bytes, Unopened> {
        let key = self.keys.first().ok_or(Unopened::Key)?;
        let nonce = Nonce::<Aes256Gcm>::try_generate().map_err(|_| Unopened::Seal)?;
        let mut sealed = BytesMut::with_capacity(plain.len() + SEAL);
        sealed.extend_from_slice(&key.number.to_le_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = key
            .cipher
            .encrypt_inout_detached(
                &nonce,
                &sealed_as(incarnation, number),
                (&mut sealed[NUMBER + NONCE..]).into(),
            )
            .map_err(|_| Unopened::Seal)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed.freeze())
    }

    /// Opens what [`Keys::seal`] made.
    ///
    /// # Errors
    /// If the key is not known, or the bytes are not what was sealed.
    pub(crate) fn open(&self, incarnation: u64, number: u64, sealed: Bytes) -> Result<Bytes, Unopened> {
        let key_number = sealed.first_chunk().ok_or(Unopened::Seal)?;
        let key_number = u32::from_le_bytes(*key_number);
        let key = self.keys.iter().find(|key| key.number == key_number).ok_or(Unopened::Key)?;
        // What was just read is nobody else's, and then nothing is copied.
        let mut plain = sealed.try_into_mut().unwrap_or_else(|shared| shared.as_ref().into());
        if plain.len() < SEAL {
            return Err(Unopened::Seal);
        }
        let tag = plain.split_off(plain.len() - TAG);
        let tag = Tag::<Aes256Gcm>::try_from(&tag[..]).map_err(|_| Unopened::Seal)?;
        let head = plain.split_to(NUMBER + NONCE);
        let nonce = Nonce::<Aes256Gcm>::try_from(&head[NUMBER..]).map_err(|_| Unopened::Seal)?;
        key.cipher
            .decrypt_inout_detached(&nonce, &sealed_as(incarnation, number), (&mut plain[..]).into(), &tag)
            .map_err(|_| Unopened::Seal)?;
        Ok(plain.freeze())
    }
}

fn sealed_as(incarnation: u64, number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&incarnation.to_le_bytes());
    bytes[8..].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// 32 bytes from 64 hexadecimal digits, or from base64 with its padding or without.
fn decode(text: &str) -> Option<Zeroizing<[u8; SECRET]>> {
    let hexadecimal = text.len() == SECRET * 2;
    let digits = if hexadecimal { text } else { text.strip_suffix('=').unwrap_or(text) };
    let (bits, alphabet): (u32, fn(u8) -> Option<u32>) = if hexadecimal { (4, nibble) } else { (6, sextet) };
    if !hexadecimal && digits.len() != (SECRET * 8).div_ceil(6) {
        return None;
    }
    let mut bytes = Zeroizing::new([0; SECRET]);
    let (mut held, mut held_bits, mut at) = (0u32, 0, 0);
    for digit in digits.bytes() {
        held = held << bits | alphabet(digit)?;
        held_bits += bits;
        if held_bits >= 8 {
            held_bits -= 8;
            *bytes.get_mut(at)? = (held >> held_bits) as u8;
            held &= (1 << held_bits) - 1;
            at += 1;
        }
    }
    // The bits that base64 has left over are zeros, or it was a typing error.
    (at == SECRET && held == 0).then_some(bytes)
}

fn nibble(digit: u8) -> Option<u32> {
    char::from(digit).to_digit(16)
}

fn sextet(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eFF";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=";

    #[test]
    fn both_spellings_are_the_same_key() {
        let hexadecimal = Keys::parse(&format!("# old\n\n 7 : {HEX}\n")).expect("a key");
        let base64 = Keys::parse(&format!("7:{BASE64}")).expect("a key");
        let bare = Keys::parse(&format!("7:{}", &BASE64[..43])).expect("a key");
        let sealed = hexadecimal.seal(1, 2, b"words").expect("sealed");
        assert_eq!(base64.open(1, 2, sealed.clone()), Ok(Bytes::from_static(b"words")));
        assert_eq!(bare.open(1, 2, sealed), Ok(Bytes::from_static(b"words")));
    }

    #[test]
    fn errors_name_the_line_and_nothing_else() {
        let cases = [
            (String::new(), KeysError::None),
            ("# nothing".into(), KeysError::None),
            (HEX.into(), KeysError::Shape { line: 1 }),
            (format!("\nname:{HEX}"), KeysError::Number { line: 2 }),
            (format!("4294967296:{HEX}"), KeysError::Number { line: 1 }),
            (format!("1:{HEX}\n2:{}", &HEX[1..]), KeysError::Secret { line: 2 }),
            (format!("1:{}g", &HEX[1..]), KeysError::Secret { line: 1 }),
            (format!("1:{}", BASE64.replace("v8=", "v9=")), KeysError::Secret { line: 1 }),
            (format!("1:{BASE64}="), KeysError::Secret { line: 1 }),
            (format!("1:{HEX}\n\n1:{BASE64}"), KeysError::Twice { line: 3, first: 1 }),
            ((0..17).map(|number| format!("{number}:{HEX}\n")).collect(), KeysError::TooMany { line: 17 }),
        ];
        for (text, error) in cases {
            let refused = Keys::parse(&text).expect_err("not a keys' file");
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains(&HEX[..8]), "{refused}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = Keys::parse(&format!("3:{HEX}\n1:{BASE64}")).expect("keys");
        assert_eq!(format!("{keys:?}"), "[3, 1]");
    }

    #[test]
    fn what_was_moved_or_changed_does_not_open() {
        let keys = Keys::parse(&format!("3:{HEX}")).expect("keys");
        let sealed = keys.seal(10, 20, b"a segment").expect("sealed");
        assert_eq!(sealed.len(), b"a segment".len() + SEAL);
        assert_ne!(sealed, keys.seal(10, 20, b"a segment").expect("sealed"), "nonces do not repeat");
        assert_eq!(keys.open(11, 20, sealed.clone()), Err(Unopened::Seal));
        assert_eq!(keys.open(10, 21, sealed.clone()), Err(Unopened::Seal));
        for at in 0..sealed.len() {
            let mut flipped = sealed.to_vec();
            flipped[at] ^= 1;
            let expected = if at < NUMBER { Unopened::Key } else { Unopened::Seal };
            assert_eq!(keys.open(10, 20, flipped.into()), Err(expected), "byte {at}");
            assert!(keys.open(10, 20, sealed.slice(..at)).is_err(), "cut at {at}");
        }
        assert_eq!(keys.open(10, 20, sealed), Ok(Bytes::from_static(b"a segment")));
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let other = HEX.replace("FF", "00");
        let old = Keys::parse(&format!("1:{HEX}")).expect("keys");
        let rotated = Keys::parse(&format!("2:{other}\n1:{HEX}")).expect("keys");
        let new = Keys::parse(&format!("2:{other}")).expect("keys");
        let before = old.seal(1, 1, b"before").expect("sealed");
        let after = rotated.seal(1, 1, b"after").expect("sealed");
        assert_eq!(rotated.open(1, 1, before.clone()), Ok(Bytes::from_static(b"before")));
        assert_eq!(new.open(1, 1, after.clone()), Ok(Bytes::from_static(b"after")));
        assert_eq!(new.open(1, 1, before), Err(Unopened::Key));
        assert_eq!(old.open(1, 1, after), Err(Unopened::Key));
    }
}
