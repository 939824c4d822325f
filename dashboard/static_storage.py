"""Static files under names that carry their content's hash, native modules included."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped base
    """Rewrites the `import` paths of native JavaScript modules as it does those of style sheets."""

    support_js_module_import_aggregation = True
    # A page that names a file which was not collected still renders, with the plain name.
    manifest_strict = False
