"""Never ships."""
