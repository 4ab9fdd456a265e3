"""Reports as pages: one self-contained HTML file, and single charts as SVG, PNG or PDF."""
