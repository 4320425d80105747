package workbook

import "github.com/jishi-telemetry/jishi/internal/registry"

// sheets are all tables in the order in which they are read: later ones refer to earlier ones.
func sheets() []sheet {
	return []sheet{
		baseTable, workshopTable, stationTable, equipmentTable, deviceTable, bindingTable, hoursTable, exceptionTable, holidayTable,
		teacherTable, traineeTable, cardTable, classTable, enrolmentTable, sessionTable, claimTable,
	}
}

// The words of closed lists: the first is written, the last is the registry's value.

var tiers = choice{{"1", "龙头", string(registry.TierLead)}, {"5", "区域", string(registry.TierRegional)}, {"N", "基层", string(registry.TierLocal)}}

var categories = choice{{"通用", "通用设备", string(registry.General)}, {"专用", "专用设备", string(registry.Special)}}

var profiles = choice{
	{"机加", "机床", string(registry.Machine)},
	{"焊接", "间歇", string(registry.Burst)},
	{"热工", "热处理", string(registry.Thermal)},
	{"计算机", "机房", string(registry.Computer)},
	{"手工", "钳工", string(registry.Bench)},
	{"烹饪", "厨房", string(registry.Kitchen)},
}

var signals = choice{{"功率", string(registry.SignalPower)}, {"控制器", string(registry.SignalController)}, {"无", string(registry.SignalNone)}}

var deviceKinds = choice{{"电表", string(registry.Meter)}, {"控制器", string(registry.Controller)}, {"读卡器", string(registry.Reader)}}

var dialectNames = choice{{"native"}, {"sparkplug"}, {"tasmota"}, {"shelly"}, {"esphome"}, {"zigbee2mqtt"}, {"mtconnect"}}

var uses = choice{{"状态", string(registry.UseState)}, {"电能", "电量", string(registry.UseEnergy)}, {"考勤", "在场", string(registry.UsePresence)}}

var useCategories = choice{
	{"社会培训", "技能实训", string(registry.UseSocial)},
	{"院校教学", string(registry.UseSchool)},
	{"技能评价", "考核评价", string(registry.UseAssessment)},
	{"技能竞赛", "竞赛", string(registry.UseCompetition)},
	{"师资培训", "师资", string(registry.UseTeachers)},
	{"企业职工", "企业职工培训", string(registry.UseEnterprise)},
	{"其他", string(registry.UseOther)},
}

const (
	practice = "practice"
	theory   = "theory"
)

var lessonKinds = choice{{"实操", "实训", practice}, {"理论", theory}}

const (
	dayOff  = "off"
	dayWork = "work"
)

var dayKinds = choice{{"休", "放假", "休息", dayOff}, {"班", "上班", "调休上班", dayWork}}

// exampleBase is the base of the template's example rows.
const exampleBase = "JD-001"
