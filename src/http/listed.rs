//! Lists of endpoints and of pages: their paths, in the order in which they are mounted.

use std::collections::BTreeSet;

/// A line of such a list.
pub(super) trait Listed: 'static {
    /// Its method.
    fn method(&self) -> &'static str;

    /// Its path, in which `{id}` stands for any segment.
    fn path(&self) -> &'static str;

    /// Whether it changes nothing.
    fn is_read(&self) -> bool {
        self.method() == "GET"
    }
}

/// The paths of a list, each once. actix searches them in this order, and a word fits where an id may stand, so those
/// with ids come last.
pub(super) fn paths<L: Listed>(list: &'static [L]) -> impl Iterator<Item = &'static str> {
    let all: BTreeSet<_> = list.iter().map(L::path).collect();
    let (fixed, with_ids): (Vec<_>, Vec<_>) = all.into_iter().partition(|path| !path.contains('{'));
    fixed.into_iter().chain(with_ids)
}

/// The page at this path of a list with this method. What can be read with `GET` can be asked for with `HEAD`.
///
/// # Errors
/// The methods that there are, for the header `Allow`.
#[cfg(feature = "pages")]
pub(super) fn page<L: Listed>(
    list: &'static [L],
    path: &str,
    method: &actix_web::http::Method,
) -> Result<&'static L, String> {
    use actix_web::http::Method;

    let here = || list.iter().filter(|page| page.path() == path);
    let wanted = if *method == Method::HEAD { &Method::GET } else { method };
    here().find(|page| page.method() == wanted.as_str()).ok_or_else(|| {
        let allowed = here().flat_map(|page| if page.is_read() { vec!["GET", "HEAD"] } else { vec![page.method()] });
        allowed.collect::<Vec<_>>().join(", ")
    })
}
