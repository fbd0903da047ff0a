//! Pages of lists: `{"results": […], "next": …}`. The cursor is the key of the last row: rows that are added or removed
//! meanwhile make no other row appear twice or not at all.

use schemars::JsonSchema;
use serde::Serialize;

use super::description::{Field, Kind};
use super::fields::MOST_ROWS;
use crate::domain::time::Timestamp;

/// The fields by which a page is requested, with cursors of this kind.
pub(super) const fn page_fields(cursor: Kind) -> [Field; 2] {
    [
        Field::new("cursor", cursor, "The `next` of the previous page."),
        Field::new("limit", Kind::Number(1, MOST_ROWS), "How many rows a page has; 50 by default."),
    ]
}

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::http) struct Page<T> {
    pub(in crate::http) results: Vec<T>,
    /// The cursor of the next page; `None` on the last one.
    pub(in crate::http) next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { results: Vec::new(), next: None }
    }
}

impl<T> Page<T> {
    /// The number of rows to ask the store for: one more than a page has tells whether there is another page.
    pub(in crate::http) const fn rows(limit: u32) -> u32 {
        limit.saturating_add(1)
    }

    /// The page with the first `limit` of these rows.
    pub(in crate::http) fn of(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let goes_on = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| goes_on).map(cursor);
        Self { results: rows, next }
    }
}

/// A page of a search that may have stopped before it was full.
pub(in crate::http) struct Found<T> {
    pub(in crate::http) page: Page<T>,
    /// It stopped at rows of this time. Pages for people say so.
    #[cfg(feature = "pages")]
    pub(in crate::http) stopped_at: Option<Timestamp>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self::of(Page::default(), None)
    }
}

impl<T> Found<T> {
    /// The page, after which the search goes on at this cursor if it has stopped, at rows of this time.
    pub(in crate::http) fn of(page: Page<T>, stopped: Option<(String, Timestamp)>) -> Self {
        #[cfg(feature = "pages")]
        let stopped_at = stopped.as_ref().map(|(_, at)| *at);
        Self {
            page: Page { next: page.next.or_else(|| stopped.map(|(cursor, _)| cursor)), ..page },
            #[cfg(feature = "pages")]
            stopped_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_next_page_only_if_there_are_more_rows() {
        let page = |rows: Vec<i32>| {
            let page = Page::of(rows, 2, ToString::to_string);
            (page.results, page.next)
        };
        assert_eq!(page(vec![]), (vec![], None));
        assert_eq!(page(vec![5, 6]), (vec![5, 6], None));
        assert_eq!(page(vec![5, 6, 7]), (vec![5, 6], Some("6".to_owned())));
    }

    #[test]
    fn a_search_that_stopped_has_a_next_page_where_it_goes_on() {
        let stopped = || Some(("9".to_owned(), Timestamp::EPOCH));
        let next = |rows, stopped| Found::of(Page::of(rows, 2, ToString::to_string), stopped).page.next;
        assert_eq!(next(vec![5], stopped()), Some("9".to_owned()));
        assert_eq!(next(vec![5, 6, 7], None), Some("6".to_owned()));
        assert_eq!(next(vec![5], None), None);
    }
}
