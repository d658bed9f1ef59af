"""Parse an XML body into the document that the same payload has in JSON, or refuse it."""

from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException

from processors.sources.readers.document import Document
from processors.sources.readers.refusals import ROOT, invalid, malformed, out_of_range, unsupported
from runtime.bodies import xml_document


def from_xml(body: bytes) -> Document:
    """Parse the document under an XML body's root element."""
    try:
        document = xml_document.read(body)
    except xml_document.TooLargeError as error:
        out_of_range(ROOT, str(error))
    except ParseError as error:
        malformed(_offset(body, *error.position), str(error))
    except DefusedXmlException as error:
        unsupported(f"document type declarations and entities are refused: {type(error).__name__}")
    except (ValueError, LookupError) as error:
        malformed(0, str(error))
    if not isinstance(document, dict):
        invalid(ROOT, "expected an element with fields")
    return document


def _offset(body: bytes, line: int, column: int) -> int:
    """Convert a position to a byte offset; expat counts lines from 1 and columns from 0."""
    before = body.split(b"\n")[: line - 1]
    return min(sum(len(part) + 1 for part in before) + column, len(body))
