//! What all pages have around their content.

use super::assets::Assets;

/// A link of the navigation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) path: &'static str,
    pub(super) label: &'static str,
}

/// The pages of one kind: what they are called, and where they lead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    /// What they are called.
    pub(super) name: &'static str,
    /// The first of them.
    pub(super) home: &'static str,
    /// The others that the navigation leads to.
    pub(super) links: &'static [Link],
    /// Where the form for signing out leads.
    pub(super) sign_out: &'static str,
}

/// Who sees a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Viewer {
    /// The user's name.
    pub(super) name: String,
    /// The token of the forms.
    pub(super) form_token: String,
}

/// What stands around the content of a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) section: Section,
    /// What stands before the paths of the section.
    pub(super) prefix: String,
    pub(super) title: String,
    pub(super) style: String,
    pub(super) icon: String,
    /// The path of the link that leads to this page or to the pages above it.
    pub(super) current: &'static str,
    /// `None` before signing in.
    pub(super) viewer: Option<Viewer>,
    /// What was done just before.
    pub(super) notice: Option<&'static str>,
}

impl Frame {
    /// For a page with this title.
    pub(super) fn new(section: Section, assets: &Assets, title: impl Into<String>) -> Self {
        Self {
            section,
            prefix: String::new(),
            title: title.into(),
            style: assets.style.clone(),
            icon: assets.icon.clone(),
            current: "",
            viewer: None,
            notice: None,
        }
    }

    /// The token of the forms, for templates.
    pub(super) fn form_token(&self) -> &str {
        self.viewer.as_ref().map_or("", |viewer| &viewer.form_token)
    }

    /// Whether a link leads to this page.
    pub(super) fn is_current(&self, path: &str) -> bool {
        self.current == path
    }
}
