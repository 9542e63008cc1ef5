//! The fonts that are drawn with: two that are part of the program, and the machine's own.

use std::sync::Arc;

use resvg::usvg::fontdb::Database;

/// Fonts, loaded once for many drawings.
#[derive(Clone)]
pub struct Fonts {
    pub(crate) database: Arc<Database>,
    /// Names of their families, sorted.
    families: Vec<String>,
}

impl Fonts {
    /// The two fonts of the program alone: the same drawings on every machine.
    pub fn bundled() -> Self {
        Self::of(Database::new())
    }

    /// Those and the machine's own.
    pub fn installed() -> Self {
        let mut database = Database::new();
        database.load_system_fonts();
        Self::of(database)
    }

    fn of(mut database: Database) -> Self {
        for font in [
            epaint_default_fonts::UBUNTU_LIGHT,
            epaint_default_fonts::HACK_REGULAR,
        ] {
            database.load_font_data(font.to_vec());
        }
        let mut families: Vec<String> = database
            .faces()
            .flat_map(|face| face.families.iter().map(|(name, _)| name.clone()))
            // Others draw symbols, or no letters of the languages here.
            .filter(|name| {
                [
                    "Ubuntu",
                    "Hack",
                    "DejaVu S",
                    "Liberation",
                    "Noto S",
                    "Arial",
                    "Cantarell",
                    "Roboto",
                ]
                .iter()
                .any(|known| name.starts_with(known))
            })
            .collect();
        families.sort();
        families.dedup();
        Self {
            database: Arc::new(database),
            families,
        }
    }

    /// Names of the families that are drawn with.
    pub fn families(&self) -> &[String] {
        &self.families
    }
}
