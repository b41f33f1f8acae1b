"""Songs to hear, to see and to show: sound, pictures, pages."""
