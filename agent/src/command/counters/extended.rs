//! Floating-point numbers with 64 bits of precision, as C's `long double` has them on x86-64, so that `INCRBYFLOAT` gives the
//! digits that Redis gives: 0.1 and 0.2 make 0.3.

use std::fmt;

use num_bigint::{BigInt, BigUint, Sign};

/// Bits of precision.
const PRECISION: u64 = 64;
/// Digits after the point that Redis writes at most.
const DECIMALS: u32 = 17;
/// Decimal exponents beyond this are refused: what they mean could not be written out anyway.
const EXPONENT_MAX: i64 = 4_900;
/// Longest text taken for a number, as in Redis.
const TEXT_MAX: usize = 255;

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

    /// Reads a decimal number with an optional exponent, or an infinity; no spaces, no NaN.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let (sign, unsigned) = match text {
            [b'-', rest @ ..] => (Sign::Minus, rest),
            [b'+', rest @ ..] => (Sign::Plus, rest),
            rest => (Sign::Plus, rest),
        };
        if [&b"inf"[..], b"infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
            return Some(Self::Infinite);
        }
        let split = unsigned.iter().position(|b| matches!(b, b'e' | b'E'));
        let (number, power) = match split {
            Some(place) => {
                (&unsigned[..place], std::str::from_utf8(&unsigned[place + 1..]).ok()?.parse::<i64>().ok()?)
            }
            None => (unsigned, 0),
        };
        let point = number.iter().position(|&b| b == b'.').unwrap_or(number.len());
        let decimals = number.len().saturating_sub(point + 1) as i64;
        let digits: Vec<u8> = number.iter().copied().filter(|&b| b != b'.').collect();
        let points = number.iter().filter(|&&b| b == b'.').count();
        if digits.is_empty() || points > 1 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let magnitude = BigUint::parse_bytes(&digits, 10)?;
        let power = power - decimals;
        if power.abs() > EXPONENT_MAX {
            return if magnitude == BigUint::ZERO || power < 0 {
                Some(Self::zero())
            } else {
                Some(Self::Infinite)
            };
        }
        let ten = BigUint::from(10u8).pow(power.unsigned_abs() as u32);
        let (numerator, denominator) =
            if power >= 0 { (magnitude * ten, BigUint::from(1u8)) } else { (magnitude, ten) };
        Some(Self::ratio(sign, numerator, &denominator))
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
        let low = *i.min(j);
        let sum = (a << (i - low) as u64) + (b << (j - low) as u64);
        let (sign, magnitude) = sum.into_parts();
        Some(Self::rounded(sign, magnitude, low, true))
    }
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
        assert_eq!(sum("1000000000000000", "0.1"), "1000000000000000.09999847412109375");
        assert_eq!(sum("inf", "1"), "not finite");
        for wrong in ["", "a", "1 ", " 1", "1.2.3", "nan", "--1", "1e", "."] {
            assert_eq!(Extended::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
