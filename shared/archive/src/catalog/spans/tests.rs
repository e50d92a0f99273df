#![allow(clippy::unwrap_used)]

use kafka::Written;

use super::{Found, Span, Spans, pair};

fn span(from: i64, to: i64, target: i64, count: i64) -> Span {
    Span { from, to, target, count }
}

fn spans(all: &[Span]) -> Spans {
    all.iter().copied().collect()
}

fn known(first: i64, count: i64) -> Written {
    Written { partition: 0, first: Some(first), count }
}

fn unknown(count: i64) -> Written {
    Written { partition: 0, first: None, count }
}

#[test]
fn source_and_target_are_paired_across_holes_on_both_sides() {
    assert_eq!(pair(0..10, &[(0, 10)], &[known(100, 10)]), [span(0, 10, 100, 10)]);
    assert_eq!(pair(0..10, &[(0, 4), (8, 2)], &[known(100, 6)]), [span(0, 10, 100, 6)]);
    assert_eq!(pair(0..10, &[(0, 10)], &[known(100, 3), known(105, 7)]), [span(0, 3, 100, 3), span(3, 10, 105, 7)]);
    assert_eq!(pair(0..0, &[], &[]), []);
}

#[test]
fn what_a_commit_covers_is_tiled_whole() {
    let holes = [Span::nothing(5, 8), span(8, 12, 100, 4), Span::nothing(12, 20), span(20, 22, 110, 2), Span::nothing(22, 30)];
    assert_eq!(pair(5..30, &[(8, 4), (20, 2)], &[known(100, 4), known(110, 2)]), holes);
    assert_eq!(pair(5..30, &[], &[]), [Span::nothing(5, 30)], "all of it was skipped, or left out");
}

#[test]
fn a_record_whose_place_is_unknown_hides_no_other() {
    let paired = pair(0..12, &[(0, 10)], &[known(100, 3), unknown(2), known(107, 5)]);
    assert_eq!(paired, [span(0, 3, 100, 3), span(5, 10, 107, 5), Span::nothing(10, 12)], "others wrote in between");
    assert_eq!(pair(0..10, &[(0, 10)], &[unknown(4), known(104, 6)]), [span(4, 10, 104, 6)], "before the first nothing is certain");
    assert_eq!(pair(0..10, &[(0, 10)], &[known(100, 6), unknown(4)]), [span(0, 6, 100, 6)]);
    assert_eq!(pair(0..10, &[(0, 10)], &[unknown(10)]), []);
}

#[test]
fn records_that_just_fill_the_room_between_two_places_are_there() {
    assert_eq!(pair(0..10, &[(0, 10)], &[known(100, 3), unknown(2), known(105, 5)]), [span(0, 10, 100, 10)]);
    assert_eq!(pair(0..12, &[(0, 4), (6, 6)], &[known(100, 3), unknown(2), known(105, 5)]), [span(0, 12, 100, 10)]);
}

#[test]
fn what_does_not_belong_together_is_not_paired() {
    assert_eq!(pair(0..10, &[(0, 10)], &[known(100, 9)]), []);
    assert_eq!(pair(5..10, &[(0, 10)], &[known(100, 10)]), [], "records below what the commit covers");
    assert_eq!(pair(0..9, &[(0, 10)], &[known(100, 10)]), []);
    assert_eq!(pair(0..0, &[], &[known(100, 3)]), [], "lines of the Python tool have no offsets");
}

#[test]
fn spans_in_step_are_joined_and_none_is_lost_however_they_come() {
    let all = [span(0, 9, 100, 9), span(9, 20, 110, 3), span(20, 25, 113, 5), Span::nothing(25, 40)];
    let pieces = [
        span(20, 22, 113, 2),
        span(5, 9, 105, 4),
        span(9, 20, 110, 3),
        Span::nothing(30, 40),
        span(0, 7, 100, 7),
        span(21, 25, 114, 4),
        Span::nothing(25, 33),
        span(9, 20, 110, 3),
    ];
    assert_eq!(spans(&pieces), spans(&all));
    let mut others = pieces;
    others.reverse();
    assert_eq!(spans(&others), spans(&all));
    assert_eq!(spans(&all).len(), 4);
}

#[test]
fn of_a_span_with_holes_that_is_known_in_part_the_rest_is_not_certain() {
    let mut known = spans(&[span(0, 10, 100, 10)]);
    known.unite(&spans(&[span(5, 20, 300, 9), span(20, 30, 320, 10)]));
    assert_eq!(known, spans(&[span(0, 10, 100, 10), span(20, 30, 320, 10)]));
}

#[test]
fn an_offset_is_where_the_first_record_at_or_after_it_is() {
    let all = spans(&[
        Span::nothing(0, 5),
        span(5, 10, 100, 5),
        Span::nothing(10, 12),
        span(12, 20, 110, 4),
        span(30, 40, 130, 10),
        Span::nothing(40, 44),
        Span::nothing(50, 55),
    ]);
    let find = |offset| all.find(offset, 60);
    assert_eq!((find(-3), find(0), find(4), find(5)), (Found::Exact(100), Found::Exact(100), Found::Exact(100), Found::Exact(100)));
    assert_eq!((find(9), find(10), find(11), find(12)), (Found::Exact(104), Found::Exact(110), Found::Exact(110), Found::Exact(110)));
    assert_eq!(find(13), Found::Inside(span(12, 20, 110, 4)));
    let after = |after, may_repeat| Found::Unknown { after: Some(after), may_repeat };
    assert_eq!((find(20), find(29), find(30)), (after(114, 0), after(114, 9), Found::Exact(130)));
    assert_eq!((find(40), find(43), find(44), find(49)), (after(140, 0), after(140, 0), after(140, 0), after(140, 5)));
    assert_eq!((find(52), find(57)), (after(140, 6), after(140, 8)));
    assert_eq!((find(60), find(99)), (Found::End { after: Some(140), may_repeat: 11 }, Found::End { after: Some(140), may_repeat: 11 }));
}

#[test]
fn an_offset_behind_all_that_was_restored_is_behind_its_last_record() {
    let end = |after, may_repeat| Found::End { after, may_repeat };
    assert_eq!(spans(&[span(0, 10, 100, 10), Span::nothing(10, 15)]).find(12, 15), end(Some(110), 0));
    assert_eq!(spans(&[span(0, 10, 100, 10)]).find(10, 10), end(Some(110), 0));
    assert_eq!(spans(&[Span::nothing(0, 15)]).find(3, 15), end(None, 0), "nothing was written");
    assert_eq!(Spans::default().find(7, 0), end(None, 0));
    assert_eq!(Spans::default().find(7, 9), Found::Unknown { after: None, may_repeat: 7 });
}

#[test]
fn spans_are_short_as_text() {
    let all = [span(0, 1000, 5000, 1000), span(1000, 2000, 6001, 1000), Span::nothing(2000, 2020), span(2100, 3000, 6999, 897)];
    assert_eq!(spans(&all).to_string(), "1000@5000,1000,20-20,80+900-3@-2");
    assert_eq!("1000@5000,1000,20-20,80+900-3@-2".parse(), Ok(spans(&all)));
    assert_eq!("".parse(), Ok(Spans::default()));
}

#[test]
fn text_that_is_none_of_spans_is_refused() {
    for wrong in [
        "0",
        "-1",
        "5-6",
        "x",
        "1,",
        ",",
        "1@",
        "1@+5",
        "1@-5",
        "+1",
        "1+",
        "--1",
        "1-",
        "1@1@1",
        "1 ",
        "9223372036854775807,1",
        "2@9223372036854775806",
        "99999999999999999999",
        "1@9223372036854775806,1",
    ] {
        assert!(wrong.parse::<Spans>().is_err(), "{wrong:?} is {:?}", wrong.parse::<Spans>());
    }
}
