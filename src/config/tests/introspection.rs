//! Settings of introspection, and of the pages of users.

use super::{mistake, read};

const URL: &str = "KNOXIDE_PUBLIC_URL";

#[test]
fn the_public_url_is_read() {
    let options = read(&[(URL, "https://auth.example.com/")]).expect("settings").http.options;
    assert!(options.introspection);
    assert_eq!(options.public_url.map(|url| url.to_string()).as_deref(), Some("https://auth.example.com"));
    let options = read(&[(URL, "none"), ("KNOXIDE_INTROSPECTION", "false")]).expect("settings").http.options;
    assert!(!options.introspection && options.public_url.is_none());
}

#[test]
fn what_is_no_public_url_is_a_mistake() {
    for url in ["http://auth.example.com", "auth.example.com", "https://auth.example.com/auth", "https://a:b@c.example"]
    {
        assert!(mistake(&[(URL, url)]).contains("is not the URL of a server"), "{url}");
    }
}

#[test]
fn users_have_pages_unless_the_settings_say_no() {
    let has_pages = |given: &[(&str, &str)]| read(given).expect("settings").http.options.account_pages;
    assert!(has_pages(&[]) && !has_pages(&[("KNOXIDE_ACCOUNT_PAGES", "false")]));
    assert!(mistake(&[("KNOXIDE_ACCOUNT_PAGES", "sometimes")]).starts_with("KNOXIDE_ACCOUNT_PAGES"));
}
