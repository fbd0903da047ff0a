//! The layout that all pages share: navigation, viewer and notice around their content.

use super::assets::Assets;
use crate::http::admin::fields::Fields;

/// A link of the navigation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) path: &'static str,
    pub(super) label: &'static str,
}

/// The names and paths of a set of pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The first page.
    pub(super) home: &'static str,
    /// The pages in the navigation.
    pub(super) links: &'static [Link],
    pub(super) sign_in: &'static str,
    pub(super) sign_out: &'static str,
    /// The page for one-time passwords, if there is one.
    pub(super) one_time: Option<&'static str>,
    /// What to do if the pages are opened under another host.
    pub(super) wrong_host: &'static str,
}

/// The user who sees a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Viewer {
    pub(super) name: String,
    /// The token for forms.
    pub(super) form_token: String,
}

/// The layout of a page.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) section: Section,
    /// What stands before the paths of the section.
    pub(super) prefix: String,
    pub(super) title: String,
    pub(super) style: String,
    pub(super) icon: String,
    /// The path of the link that leads to this page, or to a page above it.
    pub(super) current: &'static str,
    /// `None` before signing in.
    pub(super) viewer: Option<Viewer>,
    /// What was done just before.
    pub(super) notice: Option<&'static str>,
}

impl Layout {
    pub(super) fn new(section: Section, assets: &Assets) -> Self {
        Self {
            section,
            prefix: String::new(),
            title: String::new(),
            style: assets.style.clone(),
            icon: assets.icon.clone(),
            current: "",
            viewer: None,
            notice: None,
        }
    }

    /// The token for forms, for templates.
    pub(super) fn form_token(&self) -> &str {
        self.viewer.as_ref().map_or("", |viewer| &viewer.form_token)
    }

    /// Whether a link leads to this page.
    pub(super) fn is_current(&self, path: &str) -> bool {
        self.current == path
    }
}

/// The notice that the query names. Its text never comes from the query.
pub(super) fn notice(fields: &mut Fields, notices: &[(&str, &'static str)]) -> Option<&'static str> {
    let done = fields.text("done")?;
    notices.iter().find(|(name, _)| *name == done).map(|(_, text)| *text)
}
