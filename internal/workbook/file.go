package workbook

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// File is a workbook (XLSX) or one sheet of it (CSV, named by the sheet: 学员.csv).
type File struct {
	Name string // with its extension; only for messages, and the sheet of a CSV
	Data []byte
}

// The limits of what is read. A file over them is a mistake and is not read.
const (
	maxFileBytes  = 64 << 20
	maxUnzipBytes = 384 << 20 // what a workbook may unpack to: 50,000 rows are 30 MB
	maxZipEntries = 1000
	maxPages      = 200 // of all files
	maxRows       = 200_000
	maxColumns    = 200
)

// open reads the sheets of a file. What is wrong with the file as a whole is reported.
func (im *importing) open(f File) {
	page := im.newPage(f.Name, "")
	switch {
	case len(f.Data) == 0:
		im.badPage(page, "文件是空的", "the file is empty")
	case len(f.Data) > maxFileBytes:
		im.badPage(page, fmt.Sprintf("文件过大，至多 %d MB", maxFileBytes>>20), fmt.Sprintf("the file is too large, want at most %d MB", maxFileBytes>>20))
	case bytes.HasPrefix(f.Data, []byte("PK\x03\x04")):
		im.openXLSX(f, page)
	case bytes.HasPrefix(f.Data, []byte{0xd0, 0xcf, 0x11, 0xe0}):
		im.badPage(page, "是旧版 .xls 或加密的工作簿，请去掉密码并另存为 .xlsx", "is an old .xls or an encrypted workbook: remove the password and save it as .xlsx")
	case strings.EqualFold(path.Ext(f.Name), ".csv"):
		im.openCSV(f, page)
	default:
		im.badPage(page, "不是可导入的文件，应为 .xlsx 或 .csv", "cannot be imported, want .xlsx or .csv")
	}
}

// newPage is a sheet, or with the name "" the file as a whole.
func (im *importing) newPage(file, name string) *page {
	im.opened++
	return &page{index: im.opened, file: file, name: name}
}

func (im *importing) openXLSX(f File, whole *page) {
	if zh, en := refuseZip(f.Data); zh != "" {
		im.badPage(whole, zh, en)
		return
	}
	book, err := excelize.OpenReader(bytes.NewReader(f.Data), excelize.Options{
		RawCellValue: true, UnzipSizeLimit: maxUnzipBytes, UnzipXMLSizeLimit: maxUnzipBytes,
	})
	if err != nil {
		im.badPage(whole, "不是完好的 .xlsx 工作簿，请用 Excel 或 WPS 打开后另存", "is no sound .xlsx workbook: open it and save it again")
		return
	}
	defer book.Close()
	properties, err := book.GetWorkbookProps()
	late := err == nil && properties.Date1904 != nil && *properties.Date1904
	for _, name := range book.GetSheetList() {
		p := im.newPage(f.Name, name)
		p.late = late
		if !im.name(p) {
			continue
		}
		if err := im.readSheet(book, p); err != nil {
			im.badPage(p, "工作表读不出来，请用 Excel 或 WPS 打开后另存", "the sheet cannot be read: open the file and save it again")
			continue
		}
		im.take(p)
	}
}

// refuseZip looks at what a workbook unpacks to before excelize keeps it, which takes what it can get out of a damaged part
// and says nothing.
func refuseZip(data []byte) (zh, en string) {
	const broken, brokenEn = "不是完好的 .xlsx 工作簿，请用 Excel 或 WPS 打开后另存", "is no sound .xlsx workbook: open it and save it again"
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return broken, brokenEn
	}
	if len(r.File) > maxZipEntries {
		return fmt.Sprintf("含 %d 个部分，至多 %d", len(r.File), maxZipEntries), fmt.Sprintf("has %d parts, want at most %d", len(r.File), maxZipEntries)
	}
	left := uint64(maxUnzipBytes)
	for _, entry := range r.File {
		if entry.UncompressedSize64 > left {
			return fmt.Sprintf("解压后超过 %d MB，请删去图片和空白行、分成几个文件", maxUnzipBytes>>20), fmt.Sprintf("unpacks to over %d MB: remove pictures and blank rows, or split it", maxUnzipBytes>>20)
		}
		left -= entry.UncompressedSize64
	}
	for _, entry := range r.File {
		if !sound(entry) {
			return broken, brokenEn
		}
	}
	return "", ""
}

// sound reports whether a part unpacks to the length and the checksum that it says, and a sheet to its end.
func sound(entry *zip.File) bool {
	if entry.FileInfo().IsDir() {
		return true
	}
	part, err := entry.Open()
	if err != nil {
		return false
	}
	defer part.Close()
	var end tail
	n, err := io.Copy(&end, io.LimitReader(part, int64(entry.UncompressedSize64)+1))
	if err != nil || uint64(n) != entry.UncompressedSize64 {
		return false
	}
	sheet := strings.HasPrefix(strings.ToLower(entry.Name), "xl/worksheets/sheet")
	return !sheet || bytes.HasSuffix(bytes.TrimSpace(end.last), []byte("worksheet>"))
}

// tail keeps the last bytes of what is written to it: excelize reads a sheet that breaks off as one that ends there.
type tail struct{ last []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	const kept = 64
	t.last = append(t.last, p[max(0, len(p)-kept):]...)
	t.last = append(t.last[:0], t.last[max(0, len(t.last)-kept):]...)
	return len(p), nil
}

// name finds the table that a page is of. Pages for people, and those without a name that the product knows, are not read;
// the latter are a mistake unless they are blank.
func (im *importing) name(p *page) bool {
	w := word(p.name)
	var names []string
	for _, s := range sheets() {
		i := s.info()
		names = append(names, i.Zh)
		for _, known := range append([]string{i.Zh, i.En}, i.also...) {
			if word(known) == w {
				p.sheet = s
			}
		}
	}
	switch w {
	case "填写说明", "说明", "封面", "readme", "notes":
		return false
	}
	p.unknownZh, p.unknownEn = suggest(strings.TrimSpace(p.name), names, "没有这个工作表，可用："+joinZh(names), "there is no such sheet, want one of "+joinEn(names))
	return true
}

// take keeps a page that has been read, when there is something in it.
func (im *importing) take(p *page) {
	switch {
	case len(p.lines) == 0 || im.told[spot{page: p.index}]:
	case p.sheet == nil:
		im.badPage(p, p.unknownZh, p.unknownEn)
	case len(im.pages) >= maxPages:
		im.badPage(p, fmt.Sprintf("工作表过多，至多 %d 个", maxPages), fmt.Sprintf("too many sheets, want at most %d", maxPages))
	case p.sheet == sheet(holidayTable) && len(im.o.Only) > 0:
		im.badPage(p, "节假日由全市统一维护，本次不能导入", "holidays are the city's and not part of this import")
	default:
		im.pages = append(im.pages, p)
		im.total += len(p.lines)
	}
}

func (im *importing) readSheet(book *excelize.File, p *page) error {
	rows, err := book.Rows(p.name)
	if err != nil {
		return fmt.Errorf("read sheet: %w", err)
	}
	defer rows.Close()
	for number := 1; rows.Next(); number++ {
		cells, err := rows.Columns()
		if err != nil {
			return fmt.Errorf("read row %d: %w", number, err)
		}
		if !im.line(p, number, cells) {
			return nil
		}
	}
	if err := rows.Error(); err != nil {
		return fmt.Errorf("read sheet: %w", err)
	}
	return nil
}

// line adds a row that is not blank to the page. It is false when the page is over the limits.
func (im *importing) line(p *page, number int, cells []string) bool {
	for len(cells) > 0 && strings.TrimFunc(cells[len(cells)-1], invisible) == "" {
		cells = cells[:len(cells)-1]
	}
	switch {
	case len(cells) == 0:
		return true
	case len(cells) > maxColumns:
		im.badPage(p, fmt.Sprintf("第 %d 行有 %d 列，至多 %d 列", number, len(cells), maxColumns), fmt.Sprintf("row %d has %d columns, want at most %d", number, len(cells), maxColumns))
		return false
	case len(p.lines) >= maxRows:
		im.badPage(p, fmt.Sprintf("超过 %d 行，请分成几个文件", maxRows), fmt.Sprintf("over %d rows, split the file", maxRows))
		return false
	}
	p.lines = append(p.lines, line{number, cells})
	if read := im.total + len(p.lines); im.o.Progress != nil && read%often == 0 {
		im.o.Progress(read, 0)
	}
	return true
}

func (im *importing) openCSV(f File, whole *page) {
	name := strings.TrimSuffix(path.Base(strings.ReplaceAll(f.Name, `\`, "/")), path.Ext(f.Name))
	whole.name = name
	if !im.name(whole) {
		return
	}
	text, ok := decodeText(f.Data)
	if !ok {
		im.badPage(whole, "不是文本，应为 UTF-8 或 GB18030 编码的 CSV", "is no text, want CSV in UTF-8 or GB18030")
		return
	}
	if im.readCSV(whole, text) {
		im.take(whole)
	}
}

// readCSV reads the rows. It is false when the text is no CSV.
func (im *importing) readCSV(p *page, text string) bool {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return true
		}
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			im.add(spot{page: p.index}, -1, Mistake{
				File: p.file, Sheet: p.title(), Row: bad.Line,
				Zh: `引号不成对：含逗号或换行的内容应写在一对 " 之间，内容里的 " 写两个`, En: `quotes do not pair: a value with a comma or line break stands between two ", and a " inside is written twice`,
			})
			return false
		}
		if err != nil {
			im.badPage(p, "读不出来", "cannot be read")
			return false
		}
		if number, _ := r.FieldPos(0); !im.line(p, number, cells) {
			return false
		}
	}
}

// decodeText reads UTF-8, UTF-16 with its mark, or else GB18030, as Excel in China writes CSV.
func decodeText(data []byte) (string, bool) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		text, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(data)
		return string(text), err == nil && plausible(text)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if utf8.Valid(data) {
		return string(data), plausible(data)
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
	return string(text), err == nil && plausible(text)
}

// plausible refuses what a decoder has put its mark into, and binary data.
func plausible(text []byte) bool {
	return !bytes.ContainsRune(text, utf8.RuneError) && bytes.IndexByte(text, 0) < 0
}
