//! RESTORE_FROM, RESTORE_UNTIL and RESTORE_AS_OF.

use archive::Times;
use jiff::Timestamp;
use kernel::clock::Millis;

use super::AsOf;
use super::read::Reader;

/// Both keys; `None` if one of them is bad.
pub(super) fn times(read: &mut Reader<'_>) -> Option<Times> {
    let [from, until] = ["RESTORE_FROM", "RESTORE_UNTIL"].map(|key| read.optional(key, moment));
    let times = Times { from: from?, until: until? };
    if times.part_of((Millis::MIN, Millis::MAX)).is_none() {
        read.refuse("RESTORE_UNTIL", "must be later than RESTORE_FROM: no record is between the two");
        return None;
    }
    Some(times)
}

/// RESTORE_AS_OF. The outer `None`: it is bad.
pub(super) fn as_of(read: &mut Reader<'_>) -> Option<Option<AsOf>> {
    read.optional("RESTORE_AS_OF", |text| match text.eq_ignore_ascii_case("latest") {
        true => Ok(AsOf::Latest),
        false => moment(text).map(AsOf::Time).map_err(|what| format!("{what}; or latest, for the newest snapshot")),
    })
}

/// A time with its UTC offset, so that no one misreads it by an hour.
fn moment(text: &str) -> Result<Millis, String> {
    const FORM: &str = "must be a time with its UTC offset, as in 2026-11-27T14:00:00Z or 2026-11-27T15:00:00+01:00";
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| FORM.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_one_wherever_it_is_read() {
        for same in ["2026-11-27T14:00:00Z", "2026-11-27T15:00:00+01:00", "2026-11-27T14:00:00.000Z", "2026-11-27 08:30:00-05:30"] {
            assert_eq!(moment(same), Ok(1_795_788_000_000), "{same}");
        }
        for bad in ["2026-11-27T14:00:00", "2026-11-27", "14:00", "1795788000000", "yesterday", "2026-13-01T00:00:00Z"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
