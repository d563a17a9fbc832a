//! Floating-point numbers with 64 bits of precision, as C's `long double` has them on x86-64, so that `INCRBYFLOAT` gives the
//! digits that Redis gives: 0.1 and 0.2 make 0.3.

use std::fmt;

use num_bigint::{BigInt, BigUint, Sign};

/// Bits of precision.
const PRECISION: u64 = 64;
/// Digits after the point that Redis writes at most.
const DECIMALS: u32 = 17;
/// All numbers are below 2 to the power of this,
const BINARY_MAX: i64 = 16_384;
/// and what is not above 2 to the power of this is nearer to zero than to any other number.
const BINARY_MIN: i64 = -16_446;
/// Powers of ten that are certainly past both bounds, so that nobody makes us compute them.
const DECIMAL_MAX: i64 = 5_000;
/// Longest text taken for a number, as in Redis.
const TEXT_MAX: usize = 5 * 1024 - 1;

/// A finite number `mantissa * 2^exponent`, or an infinity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extended {
    Finite { mantissa: BigInt, exponent: i64 },
    Infinite,
}

impl Extended {
    pub(super) fn zero() -> Self {
        Self::Finite { mantissa: BigInt::ZERO, exponent: 0 }
    }

    /// Reads a number as C's `strtold` does, but whole, without spaces and no NaN: in decimal with an optional exponent, in
    /// hexadecimal (`0x1.8p3`), or an infinity. What is too large or too small to be held is none.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let (sign, unsigned) = match text {
            [b'-', rest @ ..] => (Sign::Minus, rest),
            [b'+', rest @ ..] => (Sign::Plus, rest),
            rest => (Sign::Plus, rest),
        };
        match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => Self::parse_hexadecimal(sign, digits),
            word if [&b"inf"[..], b"infinity"].iter().any(|known| word.eq_ignore_ascii_case(known)) => {
                Some(Self::Infinite)
            }
            digits => Self::parse_decimal(sign, digits),
        }
    }

    fn parse_decimal(sign: Sign, text: &[u8]) -> Option<Self> {
        let (digits, decimals, power) = parts(text, b'e', u8::is_ascii_digit)?;
        let significant = &digits[digits.iter().take_while(|&&digit| digit == b'0').count()..];
        if significant.is_empty() {
            return Some(Self::zero());
        }
        let power = power - decimals;
        // The number is below ten to this power, and not below a tenth of that.
        if (power + significant.len() as i64).abs() > DECIMAL_MAX {
            return None;
        }
        let magnitude = BigUint::parse_bytes(significant, 10)?;
        let ten = BigUint::from(10u8).pow(power.unsigned_abs() as u32);
        let (numerator, denominator) =
            if power >= 0 { (magnitude * ten, BigUint::from(1u8)) } else { (magnitude, ten) };
        Self::ratio(sign, numerator, &denominator).in_range()
    }

    fn parse_hexadecimal(sign: Sign, text: &[u8]) -> Option<Self> {
        let (digits, decimals, power) = parts(text, b'p', u8::is_ascii_hexdigit)?;
        let magnitude = BigUint::parse_bytes(&digits, 16)?;
        Self::rounded(sign, magnitude, power - decimals * 4, true).in_range()
    }

    /// The number, if it is finite and, unless it is zero, not taken for zero.
    fn in_range(self) -> Option<Self> {
        let Self::Finite { mantissa, exponent } = &self else { return None };
        let magnitude = mantissa.magnitude();
        // Between 2 to the power of `below - 1` and, exclusively, 2 to the power of `below`.
        let below = magnitude.bits() as i64 + exponent;
        let is_power = magnitude.trailing_zeros() == magnitude.bits().checked_sub(1);
        let is_tiny = below - 1 < BINARY_MIN || (below - 1 == BINARY_MIN && is_power);
        let is_zero = magnitude.bits() == 0;
        (is_zero || (below <= BINARY_MAX && !is_tiny)).then_some(self)
    }

    /// The nearest number to a fraction.
    fn ratio(sign: Sign, numerator: BigUint, denominator: &BigUint) -> Self {
        // Enough bits that the quotient has more than the precision; what remains only decides ties.
        let shift = (PRECISION + 2 + denominator.bits()).saturating_sub(numerator.bits());
        let shifted = numerator << shift;
        let quotient = &shifted / denominator;
        let is_exact = &quotient * denominator == shifted;
        Self::rounded(sign, quotient, -(shift as i64), is_exact)
    }

    /// Cuts a magnitude to the precision, to even where it lies in the middle.
    fn rounded(sign: Sign, magnitude: BigUint, exponent: i64, is_exact: bool) -> Self {
        let excess = magnitude.bits().saturating_sub(PRECISION);
        if excess == 0 {
            return Self::Finite { mantissa: BigInt::from_biguint(sign, magnitude), exponent };
        }
        let kept = &magnitude >> excess;
        let rest = &magnitude - (&kept << excess);
        let half = BigUint::from(1u8) << (excess - 1);
        let up = rest > half || (rest == half && (!is_exact || kept.bit(0)));
        let kept = if up { kept + 1u8 } else { kept };
        Self::Finite { mantissa: BigInt::from_biguint(sign, kept), exponent: exponent + excess as i64 }
    }

    /// The sum; `None` if it is not finite.
    pub(super) fn plus(&self, other: &Self) -> Option<Self> {
        let (Self::Finite { mantissa: a, exponent: i }, Self::Finite { mantissa: b, exponent: j }) =
            (self, other)
        else {
            return None;
        };
        if a.sign() == Sign::NoSign || b.sign() == Sign::NoSign {
            return Some(if a.sign() == Sign::NoSign { other.clone() } else { self.clone() });
        }
        let low = *i.min(j);
        let sum = (a << (i - low) as u64) + (b << (j - low) as u64);
        let (sign, magnitude) = sum.into_parts();
        Self::rounded(sign, magnitude, low, true).in_range()
    }
}

/// The digits of a number without its point, how many stand behind the point, and the exponent, clamped to a million.
fn parts(text: &[u8], mark: u8, is_digit: fn(&u8) -> bool) -> Option<(Vec<u8>, i64, i64)> {
    const POWER_MAX: i64 = 1_000_000;
    let (number, power) = match text.iter().position(|byte| byte.eq_ignore_ascii_case(&mark)) {
        None => (text, 0),
        Some(place) => {
            let (negative, digits) = match &text[place + 1..] {
                [b'-', digits @ ..] => (true, digits),
                [b'+', digits @ ..] => (false, digits),
                digits => (false, digits),
            };
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let add = |power: i64, digit: &u8| (power * 10 + i64::from(digit - b'0')).min(POWER_MAX);
            let power = digits.iter().fold(0, add);
            (&text[..place], if negative { -power } else { power })
        }
    };
    let point = number.iter().position(|&byte| byte == b'.').unwrap_or(number.len());
    let digits = [&number[..point], number.get(point + 1..).unwrap_or_default()].concat();
    let decimals = (digits.len() - point) as i64;
    (!digits.is_empty() && digits.iter().all(is_digit)).then_some((digits, decimals, power))
}

impl fmt::Display for Extended {
    /// Seventeen decimals, rounded, without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Finite { mantissa, exponent } = self else { return f.write_str("inf") };
        let scaled = mantissa.magnitude() * BigUint::from(10u8).pow(DECIMALS);
        let units = if *exponent >= 0 {
            scaled << *exponent as u64
        } else {
            let shift = exponent.unsigned_abs();
            let down = &scaled >> shift;
            let rest = &scaled - (&down << shift);
            let half = BigUint::from(1u8) << (shift - 1);
            if rest > half || (rest == half && down.bit(0)) { down + 1u8 } else { down }
        };
        let digits = format!("{units:0>width$}", units = units.to_string(), width = DECIMALS as usize + 1);
        let (whole, decimals) = digits.split_at(digits.len() - DECIMALS as usize);
        let decimals = decimals.trim_end_matches('0');
        let is_zero = whole == "0" && decimals.is_empty();
        if mantissa.sign() == Sign::Minus && !is_zero {
            f.write_str("-")?;
        }
        f.write_str(whole)?;
        if decimals.is_empty() { Ok(()) } else { write!(f, ".{decimals}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> String {
        let [a, b] = [a, b].map(|text| Extended::parse(text.as_bytes()).expect(text));
        a.plus(&b).map_or_else(|| "not finite".into(), |sum| sum.to_string())
    }

    #[test]
    fn sums_have_the_digits_of_a_long_double() {
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("3.0", "0"), "3");
        assert_eq!(sum("5.0e3", "200"), "5200");
        assert_eq!(sum("-1.5", "0.25"), "-1.25");
        assert_eq!(sum("1", "-1"), "0");
        assert_eq!(sum("1000000000000000", "0.1"), "1000000000000000.0999755859375");
        assert_eq!(sum("inf", "1"), "not finite");
        assert_eq!(sum("1.1e4932", "1.1e4932"), "not finite");
        assert_eq!(sum("1e4932", "-1e4932"), "0");
        for wrong in ["", "a", "1 ", " 1", "1.2.3", "nan", "--1", "1e", ".", "1e+-5", "1e1.5", "+-1"] {
            assert_eq!(Extended::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn hexadecimal_numbers_are_those_of_c() {
        for (text, expected) in [
            ("0x10", "16"),
            ("0X1F", "31"),
            ("0x1.8p3", "12"),
            ("-0x.8", "-0.5"),
            ("0x8.P-1", "4"),
            ("0x1e5", "485"),
            ("0x0p99999999999999999999", "0"),
            ("0xFFFFFFFFFFFFFFFFF", "295147905179352825856"),
        ] {
            assert_eq!(sum(text, "0"), expected, "{text}");
        }
        for wrong in ["0x", "0x.", "0x1p", "0x1p+", "0xg", "0x1.2.3", "0x1p16384", "0x1p-16446", "x10"] {
            assert_eq!(Extended::parse(wrong.as_bytes()), None, "{wrong}");
        }
        for right in ["0x1p16383", "0x1.8p-16446", "0x1p-16445"] {
            assert!(Extended::parse(right.as_bytes()).is_some(), "{right}");
        }
    }

    #[test]
    fn what_a_long_double_cannot_hold_is_no_number() {
        let long = "9".repeat(5000);
        for wrong in ["1e5000", "-1e5000", "1.2e4932", "1e-5000", "1e99999999999999999999", long.as_str()] {
            assert_eq!(Extended::parse(wrong.as_bytes()), None, "{wrong}");
        }
        let small = format!("0.{}1e5000", "0".repeat(4999));
        for (right, expected) in [
            ("1.1e4932", None),
            ("1e-4950", Some("0")),
            ("0e99999999999999999999", Some("0")),
            ("-0", Some("0")),
            (small.as_str(), Some("1")),
        ] {
            let number = Extended::parse(right.as_bytes()).expect(right);
            assert!(expected.is_none_or(|expected| number.to_string() == expected), "{right}");
        }
        assert!(
            Extended::parse(b"1e4000")
                .expect("in range")
                .to_string()
                .starts_with("99999999999999999999654638730996")
        );
        assert!(Extended::parse(&[b'0'; TEXT_MAX + 1]).is_none());
    }
}
